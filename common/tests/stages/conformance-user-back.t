#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The backend is a process, mydevicepeer.

FRONT=kernel BACK=user
. "$(dirname "$0")/../lib/conformance.sh"
test_conformance

#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The frontend is a process, mydevicepeer.

FRONT=user BACK=kernel
. "$(dirname "$0")/../lib/conformance.sh"
test_conformance

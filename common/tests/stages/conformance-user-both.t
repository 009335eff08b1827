#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Both ends are processes.

FRONT=user BACK=user
. "$(dirname "$0")/../lib/conformance.sh"
test_conformance

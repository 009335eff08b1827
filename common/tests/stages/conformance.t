#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# With modules at both ends, each call on the device nodes returns what mydevice.h says.

FRONT=kernel BACK=kernel
. "$(dirname "$0")/../lib/conformance.sh"
test_conformance

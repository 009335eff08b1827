#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# With a process, mydevicepeer, at both ends, each ending of a connection gives the right exit
# status.

FRONT=user BACK=user
. "$(dirname "$0")/../lib/conformance.sh"
test_conformance

#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# With a process as the backend, each call on the frontend's node returns what mydevice.h says. The
# process is mydevicepeer.

FRONT=kernel BACK=user
. "$(dirname "$0")/../lib/conformance.sh"
test_conformance

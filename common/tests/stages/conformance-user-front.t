#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# With a process as the frontend, each call on the backend's node returns what mydevice.h says. The
# process is mydevicepeer.

FRONT=user BACK=kernel
. "$(dirname "$0")/../lib/conformance.sh"
test_conformance

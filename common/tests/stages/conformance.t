#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Both ends are modules.

FRONT=kernel BACK=kernel
. "$(dirname "$0")/../lib/conformance.sh"
test_conformance

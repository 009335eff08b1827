#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Hostile backends do no harm to the frontend's module or its domain.

. "$(dirname "$0")/../lib/hostile.sh"
test_hostile back

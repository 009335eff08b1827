#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Hostile backends, against the frontend's module.

. "$(dirname "$0")/../lib/hostile.sh"
test_hostile back

#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Hostile backends, against the frontend's module.

. "$(dirname "$0")/hostile.sh"
test_hostile back

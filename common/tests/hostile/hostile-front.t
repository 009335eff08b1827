#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Hostile frontends, against the backend's module.

. "$(dirname "$0")/../lib/hostile.sh"
test_hostile front

#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Hostile frontends do no harm to the backend's module or its domain.

. "$(dirname "$0")/../lib/hostile.sh"
test_hostile front

#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The checkers of the debug kernel kasan: each reports the bug that is made for it.

export LAB_KERNEL=kasan
. "$(dirname "$0")/seeds.sh"
test_seeds \
	'sleep:BUG: sleeping function called from invalid context' \
	'use-after-free:BUG: KASAN: .*use-after-free in seed_use_after_free' \
	'overflow:BUG: KASAN: slab-out-of-bounds in seed_overflow' \
	'double-free:BUG: KASAN: double-free' \
	'vmalloc:BUG: KASAN: vmalloc-out-of-bounds in seed_vmalloc' \
	'page:BUG: KASAN: use-after-free in seed_page' \
	'index:UBSAN: array-index-out-of-bounds in .*seeds\.c' \
	'shift:UBSAN: shift-out-of-bounds in .*seeds\.c'

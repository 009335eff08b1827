#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The checkers of the debug kernel dbg: each reports the bug that is made for it.

export LAB_KERNEL=dbg
. "$(dirname "$0")/seeds.sh"
test_seeds \
	'sleep:BUG: sleeping function called from invalid context' \
	'leak:seed_leak' \
	'use-after-free:BUG seeds .*: Poison overwritten' \
	'overflow:BUG kmalloc-.*: .*[Rr]edzone overwritten' \
	'double-free:BUG kmalloc-.*: Object already free' \
	'page:pagealloc: memory corruption' \
	'sampled:BUG: KFENCE: use-after-free read in seed_sampled' \
	'index:UBSAN: array-index-out-of-bounds in .*seeds\.c' \
	'shift:UBSAN: shift-out-of-bounds in .*seeds\.c' \
	'timer:ODEBUG: free active .*object type: timer_list' \
	'work:ODEBUG: free active .*object type: work_struct'

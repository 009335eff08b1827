#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The arithmetic of the rings is right at every size and every wrap. The kernel and user space share
# it. It runs on the host, under the compiler's sanitizers.

cd "$(dirname "$0")/../../.." || exit
work=.build/tests/ring.t
mkdir -p $work
gcc -std=gnu11 -O1 -g -Wall -Wextra -Werror -fsanitize=address,undefined -fno-sanitize-recover=all \
	-o $work/ring common/tests/stages/ring.c || { echo "not ok 1 - ring.c compiles"; exit 1; }
exec $work/ring

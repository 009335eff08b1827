#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The arithmetic of the rings, which the kernel and user space share, on the host
# and under the compiler's sanitizers.

cd "$(dirname "$0")/../.." || exit
mkdir -p .build/tests
gcc -std=gnu11 -O1 -g -Wall -Wextra -Werror -fsanitize=address,undefined -fno-sanitize-recover=all \
	-o .build/tests/ring common/tests/ring.c || { echo "Bail out!  ring.c does not compile"; exit 1; }
exec .build/tests/ring

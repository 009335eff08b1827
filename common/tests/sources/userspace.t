#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# gcc and clang compile the C of user space without a warning, and clang's analyzer finds nothing.

top=$(cd "$(dirname "$0")/../../.." && pwd -P)
. "$top/common/tests/lib/tap.sh"
work=$top/.build/tests/userspace.t
mkdir -p "$work" || exit
cd "$top" || exit
sources=$(git ls-files -co --exclude-standard ':(glob)common/tests/stages/*.c' ':(glob)common/tests/lab/*.c' ':(glob)common/tests/tools/*.c' ':(glob)common/tests/hostile/*.c' ':(glob)common/tests/lib/*.c' ':(glob)common/bench/*.c' ':(glob)common/tools/**/*.c' '0*/mydevicepeer.c' '0*/mydevicebus.c')

# with_flags COMPILER WORD...: the last word is the file. Some ask for the GNU functions
# themselves; the tools get their version from their Makefile.
with_flags() {
	for file; do :; done
	grep -q 'define _GNU_SOURCE' "$file" || set -- "$@" -D_GNU_SOURCE
	"$@" -std=gnu11 -DVERSION='"0"' -Wall -Wextra -Werror
}

# Optimising, because some warnings come only then.
compiles() { with_flags "$1" -O2 -c -o "$work/object" "$2"; }

analyzed() { with_flags clang --analyze -Xclang -analyzer-werror --analyzer-output text "$1"; }

finds_planted() {
	printf '%s\n' "$2" >"$work/planted.c"
	! said=$(analyzed "$work/planted.c" 2>&1) || { echo "it says nothing"; return 1; }
	echo "$said" | grep "$1"
}

# made ARCH COMPILER: a program, by a Makefile that has only what cc.mk gives it.
made() {
	printf 'include %s/common/parts/cc.mk\n$(eval $(call made_for,program,.lab))\nprogram:\n\t$(CC)\n' "$top" >"$work/Makefile"
	LAB_ARCH=$1 make -s --no-print-directory -C "$work" CC="$2" program
}
fails() { ! "$@"; }

rm -f "$work/program" "$work/.lab"
ok "a program is made" made '' 'touch program'
ok "for another processor it is made again, and that fails" fails made arm64 false
ok "and fails the next time, too" fails made arm64 false
ok "until it can be made" made arm64 'touch program'
ok "then it is there" made arm64 false

ok "the analyzer finds a planted use after free" finds_planted unix.Malloc \
	'#include <stdlib.h>
int planted(void) { int *p = malloc(4); if (!p) return 0; *p = 1; free(p); return *p; }'
ok "and a planted null pointer" finds_planted core.NullDereference \
	'int planted(int *p) { if (p) *p = 1; return *p; }'
has "$sources" '^common/tests/stages/ring\.c$' "there are programs to look at"
for file in $sources; do
	ok "$file: gcc has nothing to say" compiles gcc "$file"
	ok "$file: nor has clang" compiles clang "$file"
	ok "$file: nor has its analyzer" analyzed "$file"
done
done_testing

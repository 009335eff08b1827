#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The sources: do they build without a word, in the kernel's style, and do the
# stages grow by addition?

top=$(cd "$(dirname "$0")/../.." && pwd -P)
work=$top/.build/tests/source.t
. "$top/common/tests/tap.sh"
. "$top/common/tests/source.sh"
mkdir -p "$work" && cd "$top" || exit
stages=$(echo 0*-*)

# A stage alone, without the tutorial around it.
copy_out() {
	rm -rf "${work:?}/$1"
	mkdir -p "$work"
	(cd "$top" && tar -cf - "$1/Makefile" "$1/Kbuild" "$1"/*.[ch] "$1"/*.sh) | tar -C "$work" -xf -
	rm -f "$work/$1"/*.mod.c
}

builds_alone() {
	copy_out "$1"
	make -C "$work/$1" KDIR="$headers" >"$work/$1.log" 2>&1 || { cat "$work/$1.log"; return 1; }
	[ -e "$work/$1/mydevicefront.ko" ] && [ -e "$work/$1/mydeviceback.ko" ]
}

copy_builds_silently() { copy_out "$1" && builds_silently "$work/$1"; }

# semantic_patches DIRECTORY FILE...: what they find, with the options that each of
# them names. The two that are written in OCaml would need a compiler for it.
semantic_patches() {
	patches=$scripts/coccinelle/$1
	shift
	find "$patches" -name '*.cocci' ! -exec grep -q script:ocaml {} \; -print0 |
		xargs -0 -P "$(nproc)" -I '{}' sh -c '
			options=$(sed -n "s/.*Options://p" "$1")
			spatch -D report --very-quiet --no-show-diff $options --cocci-file "$@" 2>"$1.log" ||
				{ cat "$1.log"; exit 1; }' sh '{}' "$@"
}

says_nothing() {
	said=$("$@") && [ -z "$said" ] || { echo "$said"; return 1; }
}

finds_planted_bug() {
	printf 'void planted(struct s *s)\n{\n\tkfree(s);\n\ts->n = 1;\n}\n' >"$work/planted.c"
	semantic_patches free "$work/planted.c" | grep 'reference preceded by free'
}

# XenBus calls these in the thread that a disk may need to answer; and a worker may
# hold a lock that this thread waits for. They allocate memory without I/O.
allocates_without_io() {
	for file in "$1"/mydevicefront.c "$1"/mydeviceback.c; do
		for name in probe remove resume otherend_changed bury; do
			awk -v name="_$name(" -v file="$file" '
				index($0, name) && !/;$/ { on = 1; there = 1 }
				on && /memalloc_noio_save\(\)/ { saved = 1 }
				on && /memalloc_noio_restore\(/ { restored = 1 }
				/^}/ { on = 0 }
				END { if (there && !(saved && restored)) { print file ": " name " lets reclaim do I/O"; exit 1 } }' "$file" || return
		done
	done
}

# A kernel whose pages are not those of the protocol is refused in words.
refuses_other_pages() {
	for file in mydevicefront.c mydeviceback.c; do
		sed -n '/^#if PAGE_SHIFT/,/^#endif/p' "03-shared-memory/$file" >"$work/pages.c"
		gcc -E -DPAGE_SHIFT=12 "$work/pages.c" >/dev/null || return
		! said=$(gcc -E -DPAGE_SHIFT=14 "$work/pages.c" 2>&1) || { echo "$file takes pages of 16 KiB"; return 1; }
		echo "$said" | grep 'use a kernel with such pages' || return
	done
}

ok "the kernel's scripts can be unpacked" unpack_scripts
ok "coccinelle finds a planted use after free" finds_planted_bug
# shellcheck disable=SC2046 # one word a file
ok "coccinelle finds nothing in the modules, with the kernel's semantic patches" \
	says_nothing semantic_patches . $(git ls-files '0*/mydevicefront.c' '0*/mydeviceback.c' '0*/mydevice.h')
previous=
for stage in $stages; do
	ok "$stage: builds alone, copied out of the tutorial" builds_alone "$stage"
	ok "$stage: W=1 and sparse are silent" copy_builds_silently "$stage"
	ok "$stage: checkpatch --strict has nothing to say" in_kernel_style "$top/$stage"
	ok "$stage: kernel-doc has nothing to say" documented "$top/$stage"
	ok "$stage: what XenBus calls allocates without I/O" allocates_without_io "$stage"
	is "$(cd "$stage" && git ls-files . | sort | paste -sd ' ')" \
		"Kbuild Makefile activate.sh deactivate.sh mydevice.h mydeviceback.c mydevicebus.c mydevicebus.h mydevicefront.c mydevicepeer.c" \
		"$stage: the files that every stage has"
	for file in $(cd "$stage" && git ls-files .); do
		[ -n "$previous" ] || continue
		n=$(removed "$previous/$file" "$stage/$file")
		ok "$stage/$file takes at most 5 lines away (it takes $n)" test "$n" -le 5
	done
	for file in mydevicebus.c mydevicebus.h; do
		ok "$stage/$file is the first stage's, to the letter" cmp "01-hello-probe/$file" "$stage/$file"
	done
	ok "$stage: no message names the stage" sh -c "! grep -n -i -E 'stage|$stage' $stage/*.[ch] | grep -v mod.c"
	previous=$stage
done

ok "a kernel with pages of 16 KiB is refused, with the reason" refuses_other_pages
# shellcheck disable=SC2046 # one word a file
ok "shellcheck has nothing to say" shellcheck -x \
	$(git ls-files | xargs grep -lE '^#!/bin/sh|shellcheck shell=sh')
is "$(git ls-files | cut -d / -f 1 | sort -u | grep -vE '^(0[123]-.*|common|docs|Makefile|README\.md|\..*|LICENSE.*)$')" "" \
	"no other names at the top"
is "$(git ls-files '*.c' '*.h' '*.sh' '*.t' common .ci Makefile | grep -vE '\.md$|/packages$|/programs$|/modules$|/inittab$' |
	xargs grep -L 'SPDX-License-Identifier: GPL-2.0')" "" "every source file names its licence"

done_testing

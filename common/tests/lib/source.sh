# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0
#
# What a driver's sources are held against, a stage's or a step's of a series: do they
# build without a word, in the kernel's style? A test sets top and work.

. "$top/common/tests/lib/platform.sh"
scripts=$top/.build/tests/scripts.$linux
headers=$("$top/common/lab/lab" headers)

# is_silent LOG: of a build with W=1 and sparse.
is_silent() {
	grep -q 'CHECK ' "$1" || { echo "sparse did not run"; return 1; }
	! grep -E 'warning|error' "$1"
}

# checkpatch, kernel-doc and the semantic patches are taken from the kernel's source, once.
unpack_scripts() {
	[ ! -e "$scripts/complete" ] || return 0
	mkdir -p "${scripts%/*}" || return
	(
		flock 9
		[ ! -e "$scripts/complete" ] || exit 0
		rm -rf "$scripts"
		mkdir -p "$scripts"
		from=linux-source-$linux/scripts
		tar -C "$scripts" --strip-components=2 -xf "/usr/src/linux-source-$linux.tar.xz" \
			"$from/checkpatch.pl" "$from/spelling.txt" "$from/const_structs.checkpatch" "$from/kernel-doc" "$from/coccinelle" &&
			touch "$scripts/complete"
	) 9>"$scripts.lock"
}

# modules_sources DIRECTORY: what the kernel's style is for.
modules_sources() {
	find "$1" -maxdepth 1 -name '*.[ch]' ! -name '*peer*.c' ! -name '*bus*.[ch]' ! -name '*.mod.c' | sort
}

# in_kernel_style DIRECTORY...
in_kernel_style() {
	(cd "$work" && for directory; do modules_sources "$directory"; done |
		xargs perl "$scripts/checkpatch.pl" --no-tree --strict --terse --no-summary --ignore CAMELCASE -f)
}

documented() {
	modules_sources "$1" | while read -r file; do
		perl "$scripts/kernel-doc" -none -Werror "$file" || exit
	done
}

# removed FILE FILE: lines that are taken away from the first.
removed() {
	diff -u --minimal -N "$1" "$2" | grep -c '^-[^-]'
}

# A stage alone, without the tutorial around it.
copy_out() {
	rm -rf "${work:?}/$1"
	mkdir -p "$work"
	(cd "$top" && tar -cf - "$1/Makefile" "$1/Kbuild" "$1"/*.[ch] "$1"/*.sh) | tar -C "$work" -xf -
	rm -f "$work/$1"/*.mod.c
}

builds_alone() {
	copy_out "$1"
	make -C "$work/$1" KDIR="$headers" W=1 C=2 CF=-D__CHECK_ENDIAN__ KCFLAGS=-Werror >"$work/$1.log" 2>&1 ||
		{ cat "$work/$1.log"; return 1; }
	[ -e "$work/$1/mydevicefront.ko" ] && [ -e "$work/$1/mydeviceback.ko" ]
}

# scripts_among: of the files that are named on standard input, those in shell.
scripts_among() { xargs -r grep -lE '^#!/bin/sh|shellcheck shell=sh'; }

# For yamllint. Forges read keys such as "on" and values such as "yes" as they mean them.
yaml_rules='{ extends: default, rules: { line-length: disable, document-start: disable, truthy: disable } }'

#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# What the hostile peers are worth: weak variants of the last stage, one for each class
# of mistakes, made by the patches in common/tests/hostile/weak. Each is beaten by the
# cases that its patch names, in the way that it names; one that is not fails this test.

. "$(dirname "$0")/hostile.sh"
honest=03-shared-memory

# make_variant NAME: in the kit, as a stage of its own.
make_variant() {
	tree=$work/weak/$1
	rm -rf "$tree"
	mkdir -p "$tree"
	(cd "$top" && tar -cf - $honest/Makefile $honest/Kbuild $honest/*.[ch] $honest/*.sh) |
		tar -C "$tree" --strip-components=1 -xf - &&
		patch -s -d "$tree" -p1 <"$hostile/weak/$1.patch" &&
		make -s -C "$tree" KDIR="/usr/src/linux-headers-$("$lab" release)" &&
		strip --strip-debug "$tree"/*.ko &&
		cp "$tree"/*.ko "$tree"/*activate.sh "$work/kit/$honest"
}

# beaten CASE PATTERN: in a lab that nobody has hurt yet.
beaten() {
	case $1 in *-front-*) side=front ;; *) side=back ;; esac
	fresh_lab
	prepare && begin_attack $side || return
	said=$(LAB_TIMEOUT=200 in_dom0 "ln -sfn $stage /tmp/kit/stage; ATTACK_ALONE=y sh /tmp/kit/hostile/judge $side $stage $guest $1" 2>&1)
	has "$said" "cases/$1:.*$2" "$variant is beaten by $1"
	echo "# $(printf '%s\n' "$said" | grep -m 1 "cases/$1:" | sed 's/^.*cases/cases/' | cut -c 1-150)"
}

make_hostile_kit
stage=$honest
for patch in "$hostile"/weak/*.patch; do
	variant=${patch##*/}
	variant=${variant%.patch}
	ok "$variant: it can be built" make_variant "$variant" || continue
	cases=$(sed -n 's/^#: case //p' "$patch")
	[ -n "$cases" ] || fail "$variant: its patch names a case"
	while read -r case pattern <&3; do
		[ -z "$case" ] || beaten "$case" "$pattern"
	done 3<<-CASES
	$cases
	CASES
done
"$lab" stop 2>/dev/null	# who knows what they have left
done_testing

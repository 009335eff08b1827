#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The hostile peers beat each weak variant of the last stage. There is a variant for each class of
# mistakes, made by a patch in common/tests/hostile/weak. The cases that the patch names have to
# beat it, in the way that the patch names. WEAK='plain-eoi stale-data' runs only these; CHECK=long
# runs all.

. "$(dirname "$0")/../lib/hostile.sh"
honest=03-shared-memory

# sources_of NAME: the variant's, in a directory of their own.
sources_of() {
	tree=$work/weak/$1
	rm -rf "$tree"
	mkdir -p "$tree"
	(cd "$top" && tar -cf - $honest/Makefile $honest/Kbuild $honest/*.[ch] $honest/*.sh) |
		tar -C "$tree" --strip-components=1 -xf - &&
		patch -s -d "$tree" -p1 <"$hostile/weak/$1.patch"
}

# make_variant NAME: of its sources, in the kit, as a stage of its own.
make_variant() {
	tree=$work/weak/$1
	make -s -C "$tree" KDIR="$("$lab" headers)" &&
		without_debug "$tree"/*.ko &&
		cp "$tree"/*.ko "$tree"/*activate.sh "$work/kit/$honest"
}

# dom0 is dead if it says no more; one that hangs has said nothing of that.
is_dead() { printf '%s\n' "$said" | grep -q 'does not answer' || ! LAB_TIMEOUT=30 in_dom0 true >/dev/null 2>&1; }

# beaten CASE PATTERN: in a lab that nobody has hurt yet. A victim that is dead is beaten,
# too, where the pattern says so.
beaten() {
	case $1 in *-front-*) side=front ;; *) side=back ;; esac
	fresh_lab
	prepare && begin_attack $side || return
	said=$(LAB_TIMEOUT=200 in_dom0 "ln -sfn $stage /tmp/kit/stage; ATTACK_ALONE=y sh /tmp/kit/hostile/judge $side $stage $guest $1" 2>&1)
	! is_dead || said="$said
cases/$1: dom0 is no more"
	has "$said" "cases/$1:.*$2" "$variant is beaten by $1"
	echo "# $(printf '%s\n' "$said" | grep -m 1 -E "cases/$1:|^cost" | sed 's/^.*cases/cases/' | cut -c 1-150)"
}

# refuses MESSAGE LINE...: a wrong script is named with its line, and nothing is done.
refuses() {
	message=$1
	shift
	printf '%s\n' 'say a line that is right' "$@" >"$work/script"
	said=$("$work/evil" --check "$work/script" 2>&1)
	is "$? $said" "65 $work/script:$(($# + 1)): $message" "a wrong script: $message"
}

scripts_are_checked() {
	for case in "$hostile"/cases/*; do
		case $case in *-front-*) side=front ;; *) side=back ;; esac
		for number in $(sed -n 's/^#: stages //p' "$case" | grep . || echo 03); do
			ok "${case##*/} is right, for stage $number" \
				"$work/evil" --check "$hostile/protocol/$side-$number" "$case"
		done
	done
	refuses "there is no verb or macro 'explode' (evil --help has a list)" 'explode now'
	refuses "something is missing: notify PORT [TIMES]" notify
	refuses "this is too much: '3'" 'notify 1 2 3'
	refuses "there is no 'x' yet" 'let y x+1'
	refuses "there are no pages 'ring'" 'fill ring 0 1 2'
	refuses "a path is my/NODE, their/NODE or /..., not 'state'" 'write state 3'
	refuses "after 'fails' comes an error such as EACCES, not 'EVIL'" 'fails EVIL rm my/x'
	refuses "'await' cannot be done meanwhile" 'meanwhile await my/state 1'
	refuses "an 'end' without a 'for'" 'end'
	refuses "the macro wants more words than '1'" 'macro two' 'say @1 @2' 'endmacro' 'two 1'
	refuses "a number is missing before ''" 'sleep 1+'
}

variants=$(find "$hostile/weak" -name '*.patch' -printf '%f\n' | sed 's/\.patch$//' | sort | paste -sd ' ')
# The others take as long as all peers against the honest driver.
WEAK=${WEAK:-$(long no-producer-check "$variants")}
# shellcheck disable=SC2086 # one word a variant
must_know WEAK "$variants" $WEAK
make_hostile_kit
scripts_are_checked
stage=$honest
for variant in $variants; do
	ok "$variant: its patch applies" sources_of "$variant" || continue
	cases=$(sed -n 's/^#: case //p' "$hostile/weak/$variant.patch")
	ok "$variant: its patch names a case" test -n "$cases"
	case " $WEAK " in *" $variant "*) ;; *) continue ;; esac
	ok "$variant: it can be built" make_variant "$variant" || continue
	while read -r case pattern <&3; do
		[ -z "$case" ] || beaten "$case" "$pattern"
	done 3<<-CASES
	$cases
	CASES
done
"$lab" stop 2>/dev/null	# who knows what they have left
done_testing

#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The answer to each exercise passes, the untouched stage fails, and measurements match the answers.
# The test runs in a copy of the tree, where it calls make grade as a reader does; the copy shares
# the lab. CHECK=long grades all exercises; without it, the answers to some are only applied and
# built. EXERCISES='2.2 2.7' runs only these.

top=$(cd "$(dirname "$0")/../../.." && pwd -P)
work=$top/.build/tests/grade.t
. "$top/common/tests/lib/tap.sh"
# shellcheck disable=SC2086 # one word a number
must_know EXERCISES "$(cd "$top/common/grade" && echo [0-9]*.sh | sed 's/\.sh//g')" ${EXERCISES-}
tree=$work/tree
lab=$top/common/lab/lab
rm -rf "$work"
mkdir -p "$tree" || exit
where=$tree		# what the answers change
export LAB_BUILD="${LAB_BUILD:-$top/.build/lab}"
unset EXERCISE HINT DIR DOMU BACKEND DEVICE WHERE FRONT BACK STEP GRADE_LOADED

grade() { make -s --no-print-directory -C "$tree" grade "$@" </dev/null 2>&1; }

refused() {
	pattern=$1
	shift
	says 2 "$pattern" grade "$@"
}

# passes NUMBER, fails NUMBER: as graded; in the last line, too.
# while_loaded COMMAND...: the stage stays as it is loaded.
while_loaded() { (export GRADE_LOADED=1 && "$@"); }
passes() { says 0 "^$1: passed\$" grade EXERCISE="$1"; }
fails() { says 2 "^$1: not passed, [0-9]+ of [0-9]+\$" grade EXERCISE="$1"; }

is_change() { [ -e "$tree/docs/exercises/$1.patch" ]; }

# sources: of the tree, as one number.
sources() { (cd "$tree" && xargs -0 cat <"$work/names" | sha256sum); }

# solved NUMBER: its answer, in the tree.
solved() { patch -s -p1 -d "$where" <"$tree/docs/exercises/$1.patch"; }
unsolved() { patch -s -R -p1 -d "$where" <"$tree/docs/exercises/$1.patch"; }

has_hint() {
	hint=$(grade EXERCISE="$1" HINT=1) && [ -n "$hint" ] && ! printf '%s\n' "$hint" | grep -E '^#|SPDX|measured'
}

# The numbers of a post's exercises, as its list has them.
in_post() {
	awk -v post="$1" '/^## / { on = $0 == "## Exercises" } on && /^[0-9]+\. / { sub(/\..*/, ""); print post "." $0 }' \
		"$tree/docs/0$1"-*.md
}

# untouched DIRECTORY NUMBER...: a change does not pass, a measurement does. It is loaded once.
untouched() {
	ok "${1##*/}: load" make -s -C "$1" load
	shift
	for number; do
		if is_change "$number"; then
			ok "$number: the untouched stage does not pass" while_loaded fails "$number"
		else
			ok "$number: what is measured is what the answer says" while_loaded passes "$number"
		fi
	done
}

# answered NUMBER...: each answer passes, and what was there before it is there after it.
answered() {
	for number; do
		ok "$number: the answer can be applied" solved "$number" || continue
		before=$(sources)
		ok "$number: the answer passes" passes "$number"
		is "$(sources)" "$before" "$number: and no source has changed"
		unsolved "$number"
		case $number in 2.[45]) "$lab" reset 1 ;; esac
	done
}

# built NUMBER...: each answer applies to what is there now, and compiles.
built() {
	for number; do
		ok "$number: the answer can be applied" solved "$number" || continue
		ok "$number: it compiles without a warning" make -s -C "${DIR-$tree/$stage}" modules WHERE=lab KCFLAGS=-Werror
		unsolved "$number"
	done
}

# wrong_figures: if the answer said something else, it would not pass.
wrong_figures() {
	cp "$tree/docs/exercises/1.2.md" "$work/1.2.md"
	sed -i 's/^| the second device.s states | 4 4 |/| the second device'"'"'s states | 4 5 |/' "$tree/docs/exercises/1.2.md"
	ok "a figure that is wrong is found" while_loaded fails 1.2
	cp "$work/1.2.md" "$tree/docs/exercises/1.2.md"
	sed -i 's/^| the second device.s states .*/&\n| something else | 7 |/' "$tree/docs/exercises/1.2.md"
	ok "a figure that nothing measures is found" while_loaded fails 1.2
	cp "$work/1.2.md" "$tree/docs/exercises/1.2.md"
}

# Those that make check grades: a figure, and a change in each post.
few='1.2 1.3 2.3 3.7 4.2'
[ "${CHECK-}" = long ] || EXERCISES=${EXERCISES-$few}

# chosen POST: the numbers of its exercises that are to be graded now.
chosen() {
	for number in $(in_post "$1"); do
		case " ${EXERCISES-$number} " in *" $number "*) echo "$number" ;; esac
	done
}

# left_out POST: the changes among the others.
left_out() {
	[ "${EXERCISES-}" != "$few" ] || for number in $(in_post "$1"); do
		case " $few " in *" $number "*) ;; *) ! is_change "$number" || echo "$number" ;; esac
	done
}

(cd "$top" && git ls-files -z) >"$work/names"
(cd "$top" && tar -cf - --null -T "$work/names") | tar -C "$tree" -xf -

ok "make grade lists the exercises" says 0 '^1\.3 +change +A message' grade
is "$(grade | sed -n 's/^\([0-9]\.[0-9]*\) .*/\1/p')" "$(for post in 1 2 3 4; do in_post $post; done)" "and they are those of the posts"
is "$(awk '/^between "steps/ { print $6 - 1 }' "$top/common/grade/3.11.sh")" "$(cd "$top" && common/series list | wc -l)" "3.11 is one step more than there are"
# Where the lines have moved, patch leaves a file mydevicestream.c.orig, and the last step is not the stage.
is "$(patch --dry-run -p1 -d "$top" <"$top/docs/exercises/3.11.patch" | grep -vc '^checking file')" 0 "3.11: the answer applies to the line"
ok "an exercise that does not exist" refused "EXERCISE is one of 1\.1 .*not '9\.9'" EXERCISE=9.9
ok "a word" refused "not 'foo'" EXERCISE=foo
ok "a path" refused "not '../1.1'" EXERCISE=../1.1
ok "a hint that is no hint" refused "HINT is 1, or not set: not 'yes'" EXERCISE=1.1 HINT=yes
ok "a hint for all" refused "HINT is for one exercise" EXERCISE=all HINT=1
ok "one of post 4, without a driver" refused "say where it is, with DIR=../myclock" EXERCISE=4.1
for words in docs . 01-hello-probe nowhere; do
	ok "and with DIR=$words, which has none" refused "there is no driver of make new in DIR=$words\$" EXERCISE=4.1 DIR=$words
	is "$(grade EXERCISE=all DIR=$words | grep -vc '^make')" 1 "and so for all exercises, before the first"
done
ok "a limit that is none" refused "LAB_TIMEOUT is a number of seconds: not 'abc'" EXERCISE=1.1 LAB_TIMEOUT=abc
for number in $(grade | sed -n 's/^\([0-9]\.[0-9]*\) .*/\1/p'); do ok "$number: there is a hint" has_hint "$number"; done

"$lab" reset 1 || bail_out "the lab does not start"
for post in 1 2 3; do
	stage=$(cd "$tree" && echo 0$post-*)
	numbers=$(chosen $post | grep -v '^3\.10$')
	[ -n "$numbers" ] || continue
	# shellcheck disable=SC2086 # a number a word
	untouched "$tree/$stage" $numbers
	case $numbers in *1.2*) wrong_figures ;; esac
	# shellcheck disable=SC2046 # a number a word
	answered $(for number in $numbers; do ! is_change "$number" || echo "$number"; done)
	# shellcheck disable=SC2046 # a number a word
	built $(left_out $post)
done
numbers=$(chosen 4)
if [ -n "$numbers" ]; then
	# A driver of a reader's is outside of the tutorial.
	made=$(mktemp -d) || exit
	trap 'rm -rf "$made"' EXIT
	export DIR="$made/myclock"
	where=$DIR
	make -s --no-print-directory -C "$tree" new NAME=myclock FROM=04-your-own-driver >/dev/null </dev/null
	# shellcheck disable=SC2086 # a number a word
	untouched "$DIR" $numbers
	# shellcheck disable=SC2046 # a number a word
	answered $(for number in $numbers; do ! is_change "$number" || echo "$number"; done)
	# shellcheck disable=SC2046 # a number a word
	built $(left_out 4)
	unset DIR
	where=$tree
fi
if chosen 3 | grep -qxF 3.10; then
	ok "3.10: with one guest it says what to do" says 2 'make lab-reset DOMUS=2' grade EXERCISE=3.10
	"$lab" reset 2 || bail_out "the lab does not start with two guests"
	ok "3.10: what is measured is what the answer says" passes 3.10
fi
"$lab" stop
done_testing

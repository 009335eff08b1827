#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Each step to the last stage builds, loads, shows something and unloads, and the last is the stage.
# The test also checks that common/series, with which the steps are changed, loses nothing.

stage=03-shared-memory
. "$(dirname "$0")/../lib/stage.sh"
. "$top/common/tests/lib/source.sh"
unset STEP
most_added=300
most_removed=15
tree=$work/tree
own=$work/own
export LAB_BUILD="${LAB_BUILD:-$top/.build/lab}"
patches=docs/series/$stage
cd "$top" || exit
rm -rf "${work:?}"/* && mkdir -p "$work" || exit

series() { "$top/common/series" "$@"; }

# What common/series must leave alone.
clone_of() { git -C "$top" for-each-ref; git -C "$top" ls-files -s | sha256sum; git -C "$top" stash list; }

# -- the patches -------------------------------------------------------------------

# few STEP ADDED REMOVED
few() {
	ok "step $1 adds at most $most_added lines (it adds $2)" test "$2" -le $most_added
	ok "step $1 takes at most $most_removed away (it takes $3)" test "$3" -le $most_removed
}

has_commands() { series message "$1" | grep -E '^Try-dom[U0]: '; }

process_builds() { make -s --no-print-directory -C "$1" mydevicepeer; }

# The steps are built in a copy of the tree: a reader of the posts, who is tested at the
# same time, spoils one in this tree.
copy_tree() {
	rm -rf "$1" && mkdir -p "$1" &&
		git ls-files -z --cached --others --exclude-standard Makefile .gitignore common '0*-*' docs |
		tar -c --null -T - -f - | tar -C "$1" -xf -
}

# W=1 and sparse look at a step where it is built for make load, which then takes what was
# built. What is there already may have been built without W=1, and is built again.
step_builds_silently() {
	make --no-print-directory -C "$own/$stage" modules WHERE=lab STEP="$1" W=1 C=2 CF=-D__CHECK_ENDIAN__ KCFLAGS=-Werror \
		>"$work/$1.log" 2>&1 && is_silent "$work/$1.log" || { cat "$work/$1.log"; return 1; }
}

# What the step before had was looked at there.
last=$top/02-event-channels
with_modules=
sources_of_step() {
	ok "step $1: its message has commands that show what it does" has_commands "$1"
	ok "step $1: its files" series tree "$1" "$work/$1"
	mkdir -p "$work/changed/$1"
	for file in $(modules_sources "$work/$1"); do
		cmp -s "$file" "$last/${file##*/}" || cp "$file" "$work/changed/$1"
	done
	cmp -s "$work/$1/mydevicepeer.c" "$last/mydevicepeer.c" || ok "step $1: the process builds" process_builds "$work/$1"
	last=$work/$1
	[ -n "$(ls "$work/changed/$1")" ] || { rmdir "$work/changed/$1"; return 0; }
	with_modules="$with_modules $1"
	ok "step $1: W=1 and sparse are silent" step_builds_silently "$1"
}

# -- common/series, in a copy of the tree ----------------------------------------------

# The settings of a reader who has many.
settings() {
	cat <<-'END'
		[user]
			name = A Reader
			email = reader@example.org
		[core]
			editor = false
			abbrev = 7
		[diff]
			noprefix = true
			algorithm = patience
			context = 1
		[format]
			signature = A Reader
			numbered = true
			subjectPrefix = RFC
			encodeEmailHeaders = true
		[commit]
			gpgSign = true
		[am]
			threeWay = true
	END
}

unchanged() { diff -r "$top/$patches" "$tree/$patches"; }

# spoil: prints the number of the first step that changes a file which was there before,
# after giving its first hunk a line before it that the file does not have.
spoil() {
	step=0
	for patch in "$tree/$patches"/*.patch; do
		step=$((step + 1))
		! grep -q '^--- a/' "$patch" || break
	done
	awk '/^--- a\// { there = 1 } there && /^@@/ { hunk = 1 } hunk && !done && /^ ./ { $0 = $0 " spoiled"; done = 1 } { print }' \
		"$patch" >"$work/spoiled" && cp "$work/spoiled" "$patch"
	echo $step
}

# finish STEP: what a reader does after mend, by hand.
finish() {
	rm -f mended/mydevice/*.rej
	for file in $(git -C "$work/made" ls-files mydevice); do
		cp "$work/$1/${file#*/}" mended/mydevice 2>/dev/null
	done
	git -C mended add -A && git -C mended -c commit.gpgSign=false am --continue
}

tool() {
	copy_tree "$tree" || bail_out "the tree cannot be copied"
	settings >"$work/config"
	export GIT_CONFIG_GLOBAL="$work/config" TZ=Asia/Tokyo
	cd "$tree" || exit
	ok "list, without words too many" says 64 'usage: common/series list$' common/series list 1
	mkdir -p "$work/tmp"
	is "$(TMPDIR=$work/tmp common/series list 2>&1 | :; ls "$work/tmp")" "" "list, of which nobody reads anything, leaves nothing in /tmp"
	ok "an unknown command" says 64 "unknown command 'lost'; see: common/series help" common/series lost
	ok "a step that is not there" says 64 "STEP is a number from 1 to $steps: not '99'; see: common/series list" common/series tree 99
	ok "a step that is no number" says 64 "STEP is a number from 1 to $steps: not 'x'" common/series message x
	ok "outside of a clone the patches apply, too" says 0 "the last step is $stage to the letter" common/series check
	ok "a step's message begins with its subject" test "$(common/series message 1 | head -n 1)" = "$(sed -n 's/^Subject: \[PATCH\] //p' "$patches"/0001-*)"

	ok "apply" common/series apply "$work/made"
	is "$(git -C "$work/made" log --format='%an %ae %cn %at %ct' | sort -u | wc -l)" 2 "its commits have one name, and their stage's time"
	ok "apply, into a directory that is there" says 1 "$work/made exists already" common/series apply "$work/made"
	ok "write gives the same patches, whatever git's settings are" common/series write "$work/made"
	ok "to the letter" unchanged
	cd "$work/made" && echo >>mydevice/mydevice.h
	ok "write refuses changes that are in no commit" says 1 'has uncommitted changes' "$tree/common/series" write .
	git -c commit.gpgSign=false commit -qam 'fixup! something'
	ok "and a fixup that is none yet" says 1 'autosquash' "$tree/common/series" write .
	git -c commit.gpgSign=false commit -q --amend -m 'mydevice.h: end with a line'
	cd "$tree" || exit
	ok "another step: it is written, and differs from the stage" says 1 "they differ in mydevice.h" common/series write "$work/made"
	is "$(common/series list | tail -n 1 | tr -s ' ')" " $((steps + 1)) +1 -0 mydevice.h: end with a line" "which list shows"
	ok "and check says so" says 1 "they differ in mydevice.h" common/series check
	git -C "$work/made" reset -q --hard HEAD~
	ok "without that step" common/series write "$work/made"
	ok "the patches are what they were" unchanged

	bad=$(spoil)
	for words in check "apply $work/again" "tree $bad $work/again"; do
		# shellcheck disable=SC2086 # words
		ok "${words%% *}, with step $bad spoiled: it names step, file and hunk" \
			says 1 "step $bad of $stage does not apply: $patches/" common/series $words
		# shellcheck disable=SC2086 # words
		said=$(common/series $words 2>&1)
		has "$said" '^    mydevice/[^ ]+, hunk 1: @@ -' "${words%% *}: the hunk"
		has "$said" 'common/series mend' "${words%% *}: what to type"
	done
	ok "nothing half-done is left" test ! -e "$work/again"
	ok "the steps before it can be had" sh -c "[ $bad -eq 1 ] || common/series tree 1"
	ok "mend stops there" says 0 "mended has the steps before step $bad" common/series mend mended
	ok "which is not written" says 1 'is not finished' common/series write mended
	ok "with what does not apply put in by hand, git am goes on" finish "$bad"
	ok "and write makes the patches of it" common/series write mended
	ok "that they were" unchanged
	rm -rf mended

	ok "make series" says 0 '^ *1 ' make -s series
	for words in 0 99 x '1 2' 01; do
		ok "make load STEP='$words'" says 2 "STEP is a number from 1 to $steps, or help: not '$words'" \
			make -s --no-print-directory -C $stage load WHERE=lab STEP="$words"
	done
	ok "make load STEP=help" says 0 '^ *1 ' make -s --no-print-directory -C $stage load WHERE=lab STEP=help
	ok "make clean STEP=1" says 2 'STEP is for modules, load' make -s --no-print-directory -C $stage clean WHERE=lab STEP=1
	ok "make load STEP=1, in a stage that is no series" says 2 '02-event-channels has no series' \
		make -s --no-print-directory -C 02-event-channels load WHERE=lab STEP=1
	rm -rf .build && touch .build
	ok "a step where nothing can be written" says 1 'steps cannot be written, because' common/series tree 1
	rm .build
	ok "make diff STEP=1" says 0 '^--- 02-event-channels/' make -s --no-print-directory -C $stage diff WHERE=lab STEP=1
	ok "make diff STEP=$steps" says 0 "^\+\+\+ $stage STEP=$steps/" make -s --no-print-directory -C $stage diff WHERE=lab STEP="$steps"
	ok "make help speaks of STEP" says 0 '^STEP=' make -s --no-print-directory -C $stage help
	unset GIT_CONFIG_GLOBAL TZ
	cd "$top" || exit
}

# -- the steps in the lab ---------------------------------------------------------------

on_step() { make --no-print-directory -C "$own/$stage" "$1" STEP="$step"; }

# What its Try- lines show; the commands themselves are shown with a $ before them.
shows_something() {
	said=$(on_step try 2>&1 </dev/null) || { echo "$said"; return 1; }
	printf '%s\n' "$said" | grep -v '^\$ ' | grep -q . || { echo "no output: $said"; return 1; }
}

live() {
	step=$1
	mark_logs "$step"
	ok "step $step: load" on_step load
	is "$(state_of)" "4 4" "step $step: both ends are Connected"
	ok "step $step: try, which succeeds and prints something" shows_something
	unhurt
	ok "step $step: the frontend is unbound" rebind domU xen mydevice-0 drivers/mydevicefront/unbind
	ok "step $step: both ends go to Closed" until_state '6 6'
	ok "step $step: the frontend is bound" rebind domU xen mydevice-0 drivers/mydevicefront/bind
	ok "step $step: both ends are Connected again" until_state '4 4'
	ok "step $step: dom0's kernel log is clean" log_is_clean dom0
	ok "step $step: the domU's kernel log is clean" log_is_clean domU
	unhurt
}

# --------------------------------------------------------------------------------------

before=$(clone_of)
ok "the patches apply, and the last step is $stage" says 0 "the last step is $stage to the letter" "$top/common/series" check
[ "$tests_failed" -eq 0 ] || bail_out "common/series check"
list=$(series list)
steps=$(printf '%s\n' "$list" | wc -l)
for step in $(seq "$steps"); do
	# shellcheck disable=SC2046 # a word each
	few $(printf '%s\n' "$list" | sed -n "${step}s/^ *\([0-9]*\) *+\([0-9]*\) *-\([0-9]*\) .*/\1 \2 \3/p")
done
ok "the kernel's scripts can be unpacked" unpack_scripts
copy_tree "$own" || bail_out "the tree cannot be copied"
for step in $(seq "$steps"); do sources_of_step "$step"; done
ok "checkpatch --strict has nothing to say of what each step changes" in_kernel_style "$work/changed"/*
tool
is "$(clone_of)" "$before" "branches and index of the clone are what they were"

"$lab" start || bail_out "the lab does not start"
guest=$(in_dom0 'xl domid domU1') || bail_out "dom0 does not answer"
target unload >/dev/null 2>&1
start=$(ledger)
# posts.t loads and tries each step. Each is unbound and bound again in CHECK=long; here the
# first, the last, and one of three between them.
for step in $with_modules; do
	case ${CHECK-},$((step % 3)),$step in long,* | ,1,* | ,*,"${with_modules##* }") live "$step" ;; esac
done
ok "the last of them: unload" on_step unload
ok "grants and event channels are back where they began" ledger_is_back "$start"
done_testing

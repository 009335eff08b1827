# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0
#
# The Test Anything Protocol for the tests in this directory; prove reads it.

tests_run=0
tests_failed=0

# pass DESCRIPTION, fail DESCRIPTION [WHY...]: fail returns 1.
pass() {
	tests_run=$((tests_run + 1))
	printf 'ok %d - %s\n' "$tests_run" "$1"
}

fail() {
	tests_run=$((tests_run + 1))
	tests_failed=$((tests_failed + 1))
	printf 'not ok %d - %s\n' "$tests_run" "$1"
	shift
	[ $# -eq 0 ] || printf '%s\n' "$@" | tail -n 30 | sed 's/^/#   /'
	return 1
}

# ok DESCRIPTION COMMAND...: passes if the command succeeds. Its output is shown
# when it does not.
ok() {
	description=$1
	shift
	if output=$("$@" 2>&1); then
		pass "$description"
	else
		fail "$description" "exit status $? of: $*
$output"
	fi
}

# is GOT WANTED DESCRIPTION
is() {
	if [ "$1" = "$2" ]; then
		pass "$3"
	else
		fail "$3" "got:    $1
wanted: $2"
	fi
}

# has TEXT PATTERN DESCRIPTION: passes if a line of the text matches (grep -E).
has() {
	if printf '%s\n' "$1" | grep -Eq -- "$2"; then
		pass "$3"
	else
		fail "$3" "nothing matches $2 in:
$1"
	fi
}

# says STATUS PATTERN COMMAND...: succeeds if the command ends with that status, and a line
# of what it says matches (grep -E). For ok.
says() {
	wanted=$1 pattern=$2
	shift 2
	said=$("$@" 2>&1 </dev/null)
	status=$?
	printf 'status %s\n%s\n' "$status" "$said"
	[ "$status" -eq "$wanted" ] && printf '%s\n' "$said" | grep -Eq -- "$pattern"
}

# says_nothing COMMAND...: succeeds if the command does, without a word. For ok.
says_nothing() {
	said=$("$@" 2>&1) && [ -z "$said" ] || { echo "$said"; return 1; }
}

# is_again WANTED COMMAND...: does the command print that again? Looks for some seconds,
# because the network, too, has something in flight now and then. For ok.
is_again() {
	wanted=$1
	shift
	for try in 1 2 3 4 5 6; do
		got=$("$@")
		[ "$got" != "$wanted" ] || return 0
		sleep 1
	done
	echo "at the start: $wanted"
	echo "at the end:   $got"
	return 1
}

# Ends this test. (TAP's own "Bail out!" would end all others, too, that run beside it.)
bail_out() {
	fail "this test can go on" "$1"
	exit 1
}

# must_know VARIABLE KNOWN WORD...: ends this test if it knows nothing of such a name, which would do
# nothing and pass.
must_know() {
	variable=$1 known=$2
	shift 2
	for word; do
		case " $known " in *" $word "*) ;; *) bail_out "$variable has words from: $known; not '$word'" ;; esac
	done
}

done_testing() {
	printf '1..%d\n' "$tests_run"
	[ "$tests_failed" -eq 0 ]
}

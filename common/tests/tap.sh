# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0
#
# TAP for the tests that are shell scripts, which source this file.

tests=0

# ok DESCRIPTION COMMAND...: the command succeeds; what it printed says why not.
ok() {
	description=$1
	shift
	if output=$("$@" 2>&1); then pass "$description"; else
		fail "$description" "status $? of: $*" "$output"
	fi
}

# is GOT WANTED DESCRIPTION
is() {
	if [ "$1" = "$2" ]; then pass "$3"; else fail "$3" "got:    $1" "wanted: $2"; fi
}

pass() {
	tests=$((tests + 1))
	echo "ok $tests - $1"
}

fail() {
	tests=$((tests + 1))
	echo "not ok $tests - $1"
	shift
	printf '%s\n' "$@" | tail -n 20 | sed 's/^/# /'
}

done_testing() {
	echo "1..$tests"
}

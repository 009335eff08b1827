#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# make soak ends well after ten seconds. With CHECK=long, after some minutes, too; it fails with the
# right words on each fault that is planted, and ^C ends it cleanly.

top=$(cd "$(dirname "$0")/../../.." && pwd -P)
. "$top/common/tests/lib/tap.sh"
SOAK_LAB=$LAB_NAME	# the lab of this lane
export SOAK_LAB
length=${CHECK-}
unset CHECK

soak() { env "$@" "$top/common/tests/stages/soak" 2>&1 </dev/null; }

# refuses WORDS SETTING...: before anything is done.
refuses() {
	words=$1
	shift
	said=$(soak "$@")
	is "$? $said" "64 soak: $words" "$* is refused"
}

# finds PLANT WORDS: the same seed for each, to be the same actions.
finds() {
	said=$(soak HOURS=0.5 SEED=460 SOAK_PLANT="$1")
	is $? 1 "a fault of the kind '$1' ends it" || echo "$said" | sed 's/^/# /'
	has "$said" "^soak: WRONG after .*in action [0-9]+, .*$2" "it says so: $2"
	has "$said" "^the last lines of dom0's log:" "with the last lines of the logs"
	has "$said" '^soak: SEED=460 HOURS=0\.5: .* [0-9]+ actions, ' "and with the summary"
}

# ends_well WHAT SETTING...
ends_well() {
	what=$1
	shift
	said=$(soak "$@")
	is $? 0 "$what of it end well" || echo "$said" | sed 's/^/# /'
	has "$said" '^soak: SEED=[0-9]+ HOURS=[0-9.]+: .* [1-9][0-9]* actions, ' "with the summary"
	has "$said" '^soak: nothing was wrong' "it says so"
}

# The first action of this seed is a restore, so that a slow machine has time for what follows.
restores() {
	ends_well "three minutes" HOURS=0.05 SEED=15 SOAK_RESTORES=1
	has "$said" '^0:[0-9:]+ a new lab, after 1 restores of [0-9]+ KiB each' "a guest that was restored makes room for a new one"
	has "$said" '^0:[0-9:]+ +[0-9]+ +[0-9]+ +[1-9]' "there is a ledger, with connections"
}

# As ^C does, when the first line of the ledger is there.
can_be_interrupted() {
	out=$top/.build/tests/soak.t
	setsid env --default-signal=INT HOURS=1 "$top/common/tests/stages/soak" >"$out" 2>&1 </dev/null &
	pid=$!
	for try in $(seq 600); do
		! grep -q '^0:00' "$out" || break
		sleep 1
	done
	kill -s INT -- -$pid
	wait $pid
	is $? 130 "^C ends it"
	has "$(cat "$out")" '^soak: interrupted' "it says so"
	has "$(cat "$out")" '^soak: SEED=[0-9]+ HOURS=1: ' "with the summary"
	has "$("$top/common/lab/lab" status 2>&1)" 'not running' "its lab is not running any more"
}

refuses "HOURS is a number such as 2 or 0.1: not 'two'" HOURS=two
refuses "HOURS is a number such as 2 or 0.1: not '-1'" HOURS=-1
refuses "HOURS=0 is not even ten seconds" HOURS=0
refuses "SEED is a number of at most nine digits: not 'x'" SEED=x
refuses "SOAK_RESTORES is a number from 1 to 99: not '0'" SOAK_RESTORES=0
refuses "SOAK_PLANT is byte, leak, page, memory or log: not 'x'" SOAK_PLANT=x
said=$("$top/common/tests/stages/soak" --without 2>&1 </dev/null)
is "$? $said" "64 soak: usage: soak; HOURS and SEED come from the environment: not '--without'" "words are refused"
ends_well "ten seconds" HOURS=0.003 SEED=2
[ "$length" = long ] || { done_testing; exit; }
restores
finds byte 'what came was right, and no more is lost than a ring holds'
finds leak 'grants and event channels are what they were'
finds page 'grants and event channels are what they were'
finds memory "dom0's kernel has lost memory"
finds log "domU1's kernel complains"
can_be_interrupted
done_testing

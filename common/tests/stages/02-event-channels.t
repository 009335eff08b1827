#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Each event is answered, and both ends count it.

stage=02-event-channels
. "$(dirname "$0")/../lib/stage.sh"

# One at a time: two that are under way may arrive as one.
ring_and_wait() {
	"in_$1" "cd $2 || exit
		for i in \$(seq $3); do
			before=\$(cat events_received)
			echo 1 >notify || exit
			for try in \$(seq 1000); do
				[ \$(cat events_received) = \$before ] || continue 2
				usleep 1000
			done
			echo event \$i was not answered
			exit 1
		done"
}

counts() { "in_$1" "cd $2 && echo \$(cat events_sent events_received)"; }

works() {
	back=/sys/bus/xen-backend/devices/mydevice-$guest-0
	front_before=$(counts domU "$front") back_before=$(counts dom0 "$back")
	is "$front_before" "$back_before" "both ends start from the same counts"
	ok "100 events, each answered before the next" ring_and_wait domU "$front" 100
	# shellcheck disable=SC2086 # two words
	set -- $front_before
	is "$(counts domU "$front")" "$(($1 + 100)) $(($2 + 100))" "the frontend sent and received 100"
	is "$(counts dom0 "$back")" "$(($1 + 100)) $(($2 + 100))" "the backend received and sent 100"
	has "$(in_domU "cat $front/round_trip_ns")" '^[1-9][0-9]{3,9}$' "a round trip takes microseconds to seconds"
	is "$(in_dom0 "cat $back/answer")" 1 "the backend says that it answers"
	ok "an answer is yes or no" in_dom0 "! echo maybe >$back/answer"
	ok "without answers the backend can ring, too" in_dom0 "echo 0 >$back/answer && echo 1 >$back/notify && echo 1 >$back/answer"
	is "$(counts domU "$front")" "$(($1 + 100)) $(($2 + 101))" "the frontend received it, and sent no answer"
	ok "the guest's event count is in sync again" in_domU "echo 1 >$front/notify; usleep 200000"
}

test_stage

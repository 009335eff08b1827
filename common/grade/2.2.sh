# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0
#
# A backend that sends its EOI only when it answers.

load
is "rings that are answered while answer is 1" "$(rings 5)" 5
before=$(in_back "echo 0 >$back/answer; cat $back/events_received")
# Slowly, so that few become one.
ring_slowly() { in_front "for i in \$(seq 20); do echo 1 >$front/notify; usleep 20000; done"; }
ring_slowly
is "events of 20 that the backend counts without answers" $(($(in_back "cat $back/events_received") - before)) 1
in_back "echo 1 >$back/answer"
ring_slowly
is "events that it counts after that, with answer at 1 again" $(($(in_back "cat $back/events_received") - before)) 1
unbind front
until_states '6 6' >/dev/null
bind front
until_states '4 4' >/dev/null
is "rings that are answered on a new connection" "$(rings 5)" 5

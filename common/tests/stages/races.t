#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Everything at once: readers, writers and closers at both ends, events from both, attributes that
# are read, and one end or both unbound and bound at random moments. Then it is quiet, and both
# ends must be Connected, the bytes right, and nothing left behind. In each round one call of
# the modules takes longer than it should, so that others come in between: fault/mydevicefault.c.
#
# RACES names rounds, LENGTH is how many seconds each takes, and SEED chooses the pauses. CHECK=long
# has all rounds, and longer ones.

. "$(dirname "$0")/../lib/stage.sh"
stage=03-shared-memory
fault=$top/common/tests/stages/fault
functions=xenbus_switch_state,unbind_from_irqhandler
binding=bind_interdomain_evtchn_to_irqhandler_lateeoi

# A line: the round, which ends are unbound and bound, and the call that is slow: the end, the order.
rounds() {
	cat <<-ROUNDS
		use		-	-
		front		front	-
		back		back	-
		both		both	-
		front-says	both	front xenbus_switch_state 0 slow-state 150
		front-closes	both	front unbind_from_irqhandler 0 slow-unbind 150
		front-stops	both	front unbind_from_irqhandler 0 held-unbind 150
		back-says	both	back xenbus_switch_state 0 slow-state 150
		back-closes	both	back unbind_from_irqhandler 0 slow-unbind 150
		back-stops	both	back unbind_from_irqhandler 0 held-unbind 150
		back-binds	both	back $binding 0 slow-interdomain 150
	ROUNDS
}

all=$(rounds | awk '{ print $1 }' | paste -sd ' ')
seconds=${LENGTH:-8} seed=${SEED:-1} asked=${RACES:-use both back-binds}
[ "${CHECK-}" != long ] || seconds=${LENGTH:-60} asked=${RACES:-$all}
# shellcheck disable=SC2086 # one word a round
must_know RACES "$all" $asked

# The module that makes them slow lands in $work/fault, the programs in $work.
build_all() {
	if debugging; then
		build_for_debug "$work/fault" "$fault/Kbuild" "$fault/mydevicefault.c" || return
	else
		rm -rf "$work/fault"
		mkdir -p "$work/fault" && cp "$fault/Kbuild" "$fault/mydevicefault.c" "$work/fault" &&
			make -C "$("$lab" headers)" M="$work/fault" KCFLAGS=-Werror modules >/dev/null || return
	fi
	"$top/common/tests/build" common/tests/stages/race common/tests/stages/io
}

prepare() {
	build_all && load >/dev/null || return
	for domain in "$front_domain" "$back_domain"; do
		"$lab" put "$domain" "$work/race" "$work/io" "$work/fault/mydevicefault.ko" /root || return
	done
	in_back "insmod /root/mydevicefault.ko target=mydeviceback functions=$functions,$binding" &&
		in_front "insmod /root/mydevicefault.ko target=mydevicefront functions=$functions"
}

order() { "in_$1" "echo '$2' >/sys/module/mydevicefault/parameters/fault"; }

# What is done in every round.
users='read write open notify show'

# binds END WHICH: the role, if that end is one of those that are unbound and bound.
binds() { case $2 in "$1" | both) echo bind ;; esac; }

# At both ends at once; the counts land in front and back, in $work.
run_all() {
	in_front "/root/race $seconds $seed /dev/$(name front) /sys/bus/xen mydevicefront mydevice-0 $users $(binds front "$1")" >"$work/front" 2>&1 &
	in_back "/root/race $seconds $((seed + 50)) /dev/$(name back) /sys/bus/xen-backend mydeviceback mydevice-$guest-0 $users $(binds back "$1")" >"$work/back" 2>&1
	back_status=$?
	wait $! && [ $back_status -eq 0 ]
}

# Each role must have succeeded, at one end at least, or the round showed nothing.
all_done() {
	cat "$work/front" "$work/back" | awk '{ n[$1] += $2 } END { for (role in n) { roles++; if (!n[role]) { print role; exit 1 } } exit roles < 5 }'
}

# A slow machine may need more time for that.
everything() {
	for try in 1 2 3; do
		run_all "$1" || { cat "$work/front" "$work/back"; return 1; }
		! all_done >/dev/null || return 0
	done
}

# flows FROM TO
flows() {
	"in_$2" "timeout 60 /root/io /dev/$(name "$2") open:r seed:$seed get:200000" >"$work/got" 2>&1 &
	put=$("in_$1" "timeout 60 /root/io /dev/$(name "$1") open:w seed:$seed put:200000")
	wait $!
	got=$(cat "$work/got")
	[ "$put, $got" = "put 200000, get 200000" ] || { echo "$put, $got"; return 1; }
}

# What is left in the rings is read first.
bytes_flow() {
	for end in front back; do "in_$end" "timeout 2 cat /dev/$(name $end) >/dev/null"; done
	flows front back && flows back front
}

no_violation() {
	has "$(in_front 'cat /sys/class/mydevicefront/mydevice0/violations'; in_back 'cat /sys/class/mydeviceback/*/violations')" '^0
0$' "$1: nobody is accused"
}

# KCSAN watches the modules and nothing else of the kernel.
count_watched() {
	[ "${LAB_KERNEL-}" != kcsan ] || watched_before="$(watched_in "$front_domain") $(watched_in "$back_domain")"
}

both_watched() {
	more="$(($(watched_in "$front_domain") - ${watched_before% *})) $(($(watched_in "$back_domain") - ${watched_before#* }))"
	[ "${more% *}" -ge 1000 ] && [ "${more#* }" -ge 1000 ] || { echo "so many accesses: $more"; return 1; }
}

# one_race NAME WHO [END ORDER]
one_race() {
	mark_logs "$1"
	count_watched
	name=$1 who=$2 slow=$3
	shift 3
	[ "$slow" = - ] || order "$slow" "$*"
	ok "$name: everything at once, for $seconds s" everything "$who"
	ok "$name: and each was done: $(sort "$work/front" "$work/back" | paste -sd ' ')" all_done
	[ "$slow" = - ] || order "$slow" none
	ok "$name: then both ends are Connected" until_state '4 4' || unhurt
	no_violation "$name"
	ok "$name: bytes arrive both ways" bytes_flow || unhurt
	[ "${LAB_KERNEL-}" != kcsan ] || ok "$name: KCSAN watched both modules" both_watched
	ok "$name: the backend's kernel log is clean" log_is_clean back
	ok "$name: the frontend's kernel log is clean" log_is_clean front
}

for round in $asked; do
	rounds | grep -q "^$round	" || bail_out "there is no round '$round'; there is: $(rounds | awk '{ print $1 }' | paste -sd ' ')"
done
if [ "$back_domain" = dom0 ]; then "$lab" start; else "$lab" start 2; fi || bail_out "the lab does not start"
guest=$(in_dom0 'xl domid domU1') || bail_out "dom0 does not answer"
[ "$back_domain" = dom0 ] || backend=$(in_dom0 "xl domid $back_domain")
unload >/dev/null 2>&1
start=$(ledger)
ok "the modules, and the one that makes them slow" prepare || unhurt
while read -r name who slow <&3; do
	case " $asked " in *" $name "*) ;; *) continue ;; esac
	# shellcheck disable=SC2086 # words
	one_race "$name" "$who" $slow
done 3<<ROUNDS
$(rounds)
ROUNDS
for end in front back; do "in_$end" 'rmmod mydevicefault'; done
ok "the device and the modules go" unloads_without_force
ok "grants and event channels are back where they began" ledger_is_back "$start"
"$lab" stop
done_testing

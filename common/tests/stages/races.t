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
. "$(dirname "$0")/../lib/domains.sh"
stage=03-shared-memory
fault=$top/common/tests/stages/fault
functions=xenbus_switch_state,unbind_from_irqhandler
binding=bind_interdomain_evtchn_to_irqhandler_lateeoi

# A line: the round, which ends are unbound and bound, and the call that is slow: the domain it is
# in, the order.
rounds() {
	cat <<-ROUNDS
		use		-	-
		front		front	-
		back		back	-
		both		both	-
		front-says	both	domU xenbus_switch_state 0 slow-state 150
		front-closes	both	domU unbind_from_irqhandler 0 slow-unbind 150
		back-says	both	dom0 xenbus_switch_state 0 slow-state 150
		back-closes	both	dom0 unbind_from_irqhandler 0 slow-unbind 150
		back-binds	both	dom0 $binding 0 slow-interdomain 150
	ROUNDS
}

seconds=${LENGTH:-8} seed=${SEED:-1} asked=${RACES:-use both back-binds}
[ "${CHECK-}" != long ] || seconds=${LENGTH:-60} asked=${RACES:-$(rounds | awk '{ print $1 }' | paste -sd ' ')}

prepare() {
	rm -rf "$work"
	mkdir -p "$work"
	cp "$fault/Kbuild" "$fault/mydevicefault.c" "$work"
	make -C "$("$lab" headers)" M="$work" KCFLAGS=-Werror modules >/dev/null || return
	"$top/common/tests/build" common/tests/stages/race common/tests/stages/io || return
	target load >/dev/null || return
	"$lab" put dom0 "$work/race" "$work/io" "$work/mydevicefault.ko" /root && "$lab" put domU "$work/race" "$work/io" "$work/mydevicefault.ko" /root &&
		in_dom0 "insmod /root/mydevicefault.ko target=mydeviceback functions=$functions,$binding" &&
		in_domU "insmod /root/mydevicefault.ko target=mydevicefront functions=$functions"
}

order() { in_domain "$1" "echo '$2' >/sys/module/mydevicefault/parameters/fault"; }

# What is done in every round.
users='read write open notify show'

# binds END WHICH: the role, if that end is one of those that are unbound and bound.
binds() { case $2 in "$1" | both) echo bind ;; esac; }

# At both ends at once; the counts land in front and back, in $work.
run_all() {
	in_domU "/root/race $seconds $seed /dev/mydevice0 /sys/bus/xen mydevicefront mydevice-0 $users $(binds front "$1")" >"$work/front" 2>&1 &
	in_dom0 "/root/race $seconds $((seed + 50)) /dev/mydevice$guest.0 /sys/bus/xen-backend mydeviceback mydevice-$guest-0 $users $(binds back "$1")" >"$work/back" 2>&1
	back_status=$?
	wait $! && [ $back_status -eq 0 ]
}

# Each role must have been done, at one end at least, or the round showed nothing.
all_done() {
	cat "$work/front" "$work/back" | awk '{ n[$1] += $2 } END { for (role in n) { roles++; if (!n[role]) { print role; exit 1 } } exit roles < 5 }'
}

# flows FROM NODE TO NODE
flows() {
	in_domain "$3" "timeout 60 /root/io $4 open:r seed:$seed get:200000" >"$work/got" 2>&1 &
	put=$(in_domain "$1" "timeout 60 /root/io $2 open:w seed:$seed put:200000")
	wait $!
	got=$(cat "$work/got")
	[ "$put, $got" = "put 200000, get 200000" ] || { echo "$put, $got"; return 1; }
}

# What is left in the rings is read first.
bytes_flow() {
	in_domU 'timeout 2 cat /dev/mydevice0 >/dev/null'
	in_dom0 "timeout 2 cat /dev/mydevice$guest.0 >/dev/null"
	flows domU /dev/mydevice0 dom0 "/dev/mydevice$guest.0" && flows dom0 "/dev/mydevice$guest.0" domU /dev/mydevice0
}

no_violation() {
	has "$(in_domU 'cat /sys/class/mydevicefront/mydevice0/violations'; in_dom0 'cat /sys/class/mydeviceback/*/violations')" '^0
0$' "$1: nobody is accused"
}

# one_race NAME WHO [DOMAIN ORDER]
one_race() {
	mark_logs "$1"
	name=$1 who=$2 slow=$3
	shift 3
	[ "$slow" = - ] || order "$slow" "$*"
	ok "$name: everything at once, for $seconds s" run_all "$who"
	ok "$name: and each was done: $(sort "$work/front" "$work/back" | paste -sd ' ')" all_done
	[ "$slow" = - ] || order "$slow" none
	ok "$name: then both ends are Connected" until_state '4 4' || unhurt
	no_violation "$name"
	ok "$name: bytes arrive both ways" bytes_flow || unhurt
	ok "$name: dom0's kernel log is clean" log_is_clean dom0
	ok "$name: the domU's kernel log is clean" log_is_clean domU
}

for round in $asked; do
	rounds | grep -q "^$round	" || bail_out "there is no round '$round'; there is: $(rounds | awk '{ print $1 }' | paste -sd ' ')"
done
"$lab" start || bail_out "the lab does not start"
guest=$(in_dom0 'xl domid domU1') || bail_out "dom0 does not answer"
target unload >/dev/null 2>&1
start=$(ledger)
ok "the modules, and the one that makes them slow" prepare || unhurt
while read -r name who slow <&3; do
	case " $asked " in *" $name "*) ;; *) continue ;; esac
	# shellcheck disable=SC2086 # words
	one_race "$name" "$who" $slow
done 3<<ROUNDS
$(rounds)
ROUNDS
in_dom0 'rmmod mydevicefault'
in_domU 'rmmod mydevicefault'
ok "make unload" unloads_without_force
ok "grants and event channels are back where they began" ledger_is_back "$start"
"$lab" stop
done_testing

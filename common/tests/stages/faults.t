#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The modules survive the failure of each kernel call from probe until the ends are Connected. A
# test module makes each call that can fail do so once: common/tests/stages/fault/mydevicefault.c.
# The list of these calls, common/tests/stages/fault/imports, is compared with what the modules
# import.
#
# Of a function that is called often, the first and the last call fail. With CHECK=long all of them
# fail, and so do those of the stage in which little can fail.

. "$(dirname "$0")/../lib/stage.sh"
# shellcheck disable=SC2086 # one word a stage
must_know stages "$(cd "$top" && echo 0*-*)" ${stages-}
fault=$top/common/tests/stages/fault

build_fault_module() {
	rm -rf "$work"
	mkdir -p "$work"
	cp "$fault/Kbuild" "$fault/mydevicefault.c" "$work"
	make -C "$("$lab" headers)" M="$work" KCFLAGS=-Werror modules && "$top/common/tests/build" common/tests/stages/lie
}

# -- what can fail -----------------------------------------------------------

imports_of() { nm -u "$top/$stage/mydevice$1.ko" | awk '{ print $2 }'; }

# matching NAME: of the first pattern that it matches, all lines of the list.
matching() {
	sed 's/#.*//; /^[[:space:]]*$/d' "$fault/imports" | {
		first=
		while read -r pattern rest; do
			# shellcheck disable=SC2254 # a pattern it is
			case $1 in $pattern) [ "${first:=$pattern}" != "$pattern" ] || echo "$rest" ;; esac
		done
	}
}

# entries END NAME: a line for each time at which that end calls it.
entries() { matching "$1:$2" | grep . || matching "$2"; }

# Sets functions, those that can fail, and unknown. An init that gets only one
# thing has nothing to undo, and jumps to the function: no call of its own is seen.
sort_imports() {
	functions='' unknown='' loading=''
	for name in $(imports_of "$1"); do
		case $(entries "$1" "$name") in
		'') unknown="$unknown $name" ;;
		-*) ;;
		load*) loading="$loading $name" ;;
		*) functions="$functions $name" ;;
		esac
	done
	case $loading in *' '*' '*) functions="$functions$loading" ;; esac
}

# -- one end -----------------------------------------------------------------

in_end() {
	case $end in front) in_domU "$1" ;; back) in_dom0 "$1" ;; esac
}

read_at_other_end() {
	case $end in
	front) in_dom0 "head -n 1 /dev/mydevice$guest.0" ;;
	back) in_domU 'head -n 1 /dev/mydevice0' ;;
	esac
}

# step COMMAND [FUNCTION NTH WAY ERRNO EXPECTED]
step() {
	in_end "sh /root/step $end $guest $*"
}

step_and_bytes_flow() {
	step "$@" || return 1
	[ "$carries" = y ] || return 0
	got=$(read_at_other_end)
	[ "$got" = "$2 $3" ] || { echo "afterwards '$got' was read at the other end, not '$2 $3'"; return 1; }
}

# calls_to_fail N: which of N.
calls_to_fail() {
	if [ "$1" -le 2 ] || [ "${CHECK-}" = long ]; then seq "$1"; else echo "1 $1"; fi
}

load_fault_module() {
	"$lab" put "$1" "$top/$stage/mydevice$end.ko" "$work/mydevicefault.ko" "$work/lie" "$fault/step" /root &&
		in_end "insmod /root/mydevicefault.ko target=mydevice$end functions=$(echo "${functions# }" | tr ' ' ,)"
}

free_memory() {
	in_end 'sync; echo 3 >/proc/sys/vm/drop_caches; awk "/MemFree/ { print \$2 }" /proc/meminfo'
}

grants_used() { in_end 'cat /sys/module/mydevicefault/parameters/grants'; }

# make_fail FUNCTION WHEN WAY:ERRNO[:EXPECTED]...
make_fail() {
	name=$1 when=$2
	shift 2
	case $when in
	connect) command=fault n=$(printf '%s\n' "$calls" | awk -v f="$name" '$1 == f { print $2 }') ;;
	*) command=$when n=1 ;;
	esac
	ok "$stage, $end: $name is called" test "${n:-0}" -gt 0
	for way; do
		errno=${way#*:} expected=fails
		case $errno in *:*) expected=${errno#*:} errno=${errno%%:*} ;; esac
		for nth in $(calls_to_fail "${n:-0}"); do
			[ "$when" != unread ] || send_a_line
			ok "$stage, $end: $name, call $nth of $n, ${way%%:*} $errno: $expected" \
				step_and_bytes_flow "$command" "$name" "$nth" "${way%%:*}" "$errno" "$expected" ||
				connected || unhurt
		done
	done
}

connected() { [ "$(state_of)" = '4 4' ]; }

walk() {
	end=$1 domain=$2
	sort_imports "$end"
	is "$unknown" "" "$stage, $end: the list has all that the module imports"
	ok "$stage, $end: the test module can be loaded" load_fault_module "$domain" || unhurt
	calls=$(step count)
	has "$calls" '^[a-z_]+ [1-9]' "$stage, $end: both ends connect, and calls are counted" || unhurt
	start=$(ledger) grants=$(grants_used) memory=$(free_memory)
	for function in $functions; do
		while read -r when ways <&3; do
			# shellcheck disable=SC2086 # one word a way
			make_fail "$function" "$when" $ways
		done 3<<-ENTRIES
		$(entries "$end" "$function")
		ENTRIES
		[ "${CHECK-}" != long ] ||
			ok "$stage, $end: $function leaves no grant mapped and no event channel" ledger_is_back "$start"
	done
	ok "$stage, $end: no grant is left mapped, and no event channel" ledger_is_back "$start"
	ok "$stage, $end: as many grant references are in use as before ($grants)" is_again "$grants" grants_used
	lost=$((memory - $(free_memory)))
	ok "$stage, $end: no memory is lost ($lost KiB)" test $lost -lt 2048
	case $end$stage in back02* | back03*) held_up ;; esac
	in_end 'rmmod mydevicefault'
}

# An end is held up where the other may come in between: the backend where it binds the event channel.
held_up() {
	ok "$stage: a frontend that is restarted while the backend connects" restarted_meanwhile
	functions=xenbus_switch_state,unbind_from_irqhandler end=front
	ok "$stage: the test module can be loaded at both ends" load_fault_module domU || return
	ok "$stage: a backend that is bound while the frontend closes" bound_meanwhile
	ok "$stage: a backend that takes what the frontend withdraws" withdrawn_meanwhile
	[ "$carries" != y ] || ok "$stage: a backend that writes over the pages when both ends are Closed" written_over
	end=back
	ok "$stage: and no reason is taken for told that was not" told_later
	in_domU 'rmmod mydevicefault'
}

# The frontend is bound again while the backend, which has read what it published,
# connects: the backend must not be Connected to a frontend of the past.
restarted_meanwhile() {
	end=back
	step count >/dev/null
	rebind domU xen mydevice-0 drivers/mydevicefront/unbind && until_state '6 6' || return
	order dom0 "$binding 1 slow-interdomain 5000"
	rebind domU xen mydevice-0 drivers/mydevicefront/bind || return
	until_fired dom0 || return
	rebind domU xen mydevice-0 drivers/mydevicefront/unbind && rebind domU xen mydevice-0 drivers/mydevicefront/bind && until_state '4 4' || return
	order dom0 none
	is_alive
}
binding=bind_interdomain_evtchn_to_irqhandler_lateeoi

order() { in_domain "$1" "echo '$2' >/sys/module/mydevicefault/parameters/fault"; }

until_fired() {
	in_domain "$1" 'for try in $(seq 200); do grep -q . /sys/module/mydevicefault/parameters/fired && exit; usleep 100000; done
		echo what was ordered did not happen in 20 s; exit 1'
}

# What a backend that is gone would leave: the frontend has taken its offer, and is
# told that it has gone.
answers_nobody() {
	rebind dom0 xen-backend "mydevice-$guest-0" drivers/mydeviceback/unbind && until_state '6 6' && says_of_backend 2 && until_state '3 2'
}

says_of_backend() { in_dom0 "xenstore-write backend/mydevice/$guest/0/state $1"; }
bind_backend() { rebind dom0 xen-backend "mydevice-$guest-0" drivers/mydeviceback/bind; }

# The frontend has released its port and not yet returned, and the new backend finds its old answer.
bound_meanwhile() {
	answers_nobody || return
	order domU 'unbind_from_irqhandler 1 slow-unbind 4000'
	says_of_backend 6 && until_fired domU && bind_backend && until_state '4 4' && is_alive
}

# The frontend has not said Closed yet, and the new backend maps and binds what it is about to release.
withdrawn_meanwhile() {
	answers_nobody || return
	order dom0 "$binding 1 slow-error 8000"
	order domU 'xenbus_switch_state 1 slow-state 4000'
	says_of_backend 6 && until_fired domU && bind_backend && until_fired dom0 && until_state '4 4' && is_alive
}

# The frontend says Closed, and has not yet returned, when a lie lands in the index page. That is no
# connection any more: nothing is broken, and the next backend is followed.
written_over() {
	ref=$(in_dom0 "xenstore-read /local/domain/$guest/device/mydevice/0/ring-ref")
	order domU 'xenbus_switch_state 1 late-state 4000'
	rebind dom0 xen-backend "mydevice-$guest-0" drivers/mydeviceback/unbind && until_state '6 6' &&
		in_dom0 "/root/lie $guest $ref backend prod 1000000" && until_fired domU && bind_backend && until_state '4 4' && is_alive
}

# In the last case the backend had a reason to give up, but gave up nothing.
told_later() {
	in_dom0 "echo told later >/dev/kmsg"
	order dom0 "$binding 1 late-interdomain 22"
	rebind domU xen mydevice-0 drivers/mydevicefront/unbind && rebind domU xen mydevice-0 drivers/mydevicefront/bind && until_fired dom0 && until_state '6 6' || return
	in_dom0 "dmesg | sed '1,/told later/d' | grep -q 'binding port [0-9]* of the frontend'" || { echo "dom0's log does not have the reason"; return 1; }
}

# Both ends hear each other, and the bytes that there are come through.
is_alive() {
	heard="cat /sys/bus/xen-backend/devices/mydevice-$guest-0/events_received"
	before=$(in_dom0 "$heard")
	in_domU 'echo 1 >/sys/bus/xen/devices/mydevice-0/notify'
	in_dom0 "for try in \$(seq 50); do [ \$($heard) = $before ] || exit 0; usleep 100000; done; echo the backend hears nothing; exit 1" || return
	[ "$carries" = y ] || return 0
	in_domU 'echo alive >/dev/mydevice0'
	got=$(in_dom0 "timeout 20 head -n 1 /dev/mydevice$guest.0")
	[ "$got" = alive ] || { echo "'$got' was read, not 'alive'"; return 1; }
}

# From the other end, for this one not to read.
send_a_line() {
	case $end in
	front) in_dom0 "echo unread >/dev/mydevice$guest.0" ;;
	back) in_domU 'echo unread >/dev/mydevice0' ;;
	esac
}

no_warning() {
	! log_since "$1" | grep -v 'module verification failed' |
		grep -E 'BUG|WARN|Oops|Call Trace|rcu.*stall|blocked for more|general protection|possible|g\.e\.|deferring|freeing event channel'
}

"$lab" start || bail_out "the lab does not start"
guest=$(in_dom0 'xl domid domU1') || bail_out "dom0 does not answer"
ok "the test module builds" build_fault_module || { done_testing; exit 1; }
[ "${CHECK-}" = long ] && all='01-hello-probe 02-event-channels 03-shared-memory' || all='02-event-channels 03-shared-memory'
for stage in ${stages:-$all}; do
	mark_logs faults
	carries=n
	case $stage in 03-*) carries=y ;; esac
	in_dom0 'rmmod mydevicefault 2>/dev/null'
	in_domU 'rmmod mydevicefault 2>/dev/null'
	ok "$stage: make load" target load || unhurt
	walk front domU
	walk back dom0
	ok "$stage: make unload" target unload
	in_dom0 "xenstore-rm /local/domain/0/error/backend/mydevice; xenstore-rm /local/domain/$guest/error/device/mydevice"
	ok "$stage: no warning in dom0's kernel log" no_warning dom0
	ok "$stage: no warning in the domU's kernel log" no_warning domU
done
done_testing

# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0
#
# What the tests of the endings do inside a domain. Before this is read there are
#
#   end       front or back: which end of the devices this domain has
#   guest     the domid of the frontends' domain
#   backend   the domid of the backends' domain
#   stage     the directory that the modules are from
#   devices   the devices' numbers
#
# The state of the devices is told by dom0, which may read both ends'.

kit=/tmp/kit
ring=262144
parameters=

case $end in
front) module=mydevicefront bus=/sys/bus/xen ;;
back) module=mydeviceback bus=/sys/bus/xen-backend ;;
esac

# A kit may ask for rings of 4 pages.
if [ -e "$kit/$stage/small" ]; then
	ring=16384
	[ "$end" = back ] || parameters=ring_page_order=2
fi

front_dir() { echo "/local/domain/$guest/device/mydevice/$1"; }
back_dir() { echo "/local/domain/$backend/backend/mydevice/$guest/$1"; }

bus_name() {
	if [ "$end" = front ]; then echo "mydevice-$1"; else echo "mydevice-$guest-$1"; fi
}

node() {
	if [ "$end" = front ]; then echo "/dev/mydevice$1"; else echo "/dev/mydevice$guest.$1"; fi
}

uptime() { cut -d . -f 1 /proc/uptime; }

# wait_for SECONDS COMMAND...
wait_for() {
	deadline=$(($(uptime) + $1))
	shift
	until "$@"; do
		[ "$(uptime)" -lt "$deadline" ] || return
		usleep 50000
	done
}

# -- modules and states ------------------------------------------------------

# shellcheck disable=SC2086 # none or one
insert() { insmod "$kit/$stage/$module.ko" $parameters; }

# While somebody has a device open the module stays.
is_in_use() {
	! said=$(rmmod "$module" 2>&1) && grep -q "^$module " /proc/modules && echo "$said"
}

unbind() {
	for n in $devices; do bus_name "$n" >"$bus/drivers/$module/unbind" || return; done
}

bind() {
	for n in $devices; do bus_name "$n" >"$bus/drivers/$module/bind" || return; done
}

activate() {
	for n in $devices; do
		sh "$kit/$stage/activate.sh" --device "$n" --backend "$backend" "$guest" || return
	done
}

# Force is needed only where an end is dead.
deactivate() {
	for n in $devices; do
		said=$(sh "$kit/$stage/deactivate.sh" --device "$n" --backend "$backend" "$guest" 2>&1) || { echo "$said"; return 1; }
		case $said in *force*) echo "$said"; return 1 ;; esac
	done
}

# What a toolstack writes.
ask_to_close() {
	for n in $devices; do xenstore-write "$(back_dir "$n")/online" 0 "$(back_dir "$n")/state" 5 || return; done
}

# The frontend's and the backend's state of every device, by number. Commands are
# few here, because to start one takes long under emulation.
states() {
	paths=
	for n in $devices; do
		paths="$paths /local/domain/$guest/device/mydevice/$n/state"
		paths="$paths /local/domain/$backend/backend/mydevice/$guest/$n/state"
	done
	# shellcheck disable=SC2046,SC2086 # one word each
	set -- $(xenstore-read $paths 2>&1)
	echo "$*"
}

are() {
	wanted=
	for n in $devices; do wanted="$wanted${wanted:+ }$1"; done
	[ "$(states)" = "$wanted" ]
}

until_all() {
	wait_for "${patience:-60}" are "$1" || { echo "waited ${patience:-60} s for '$1', and the states are: $(states)"; return 1; }
}

# The backends' domain is gone, and their states with it.
fronts_are_closed() {
	for n in $devices; do
		[ "$(xenstore-read "/local/domain/$guest/device/mydevice/$n/state" 2>&1)" = 6 ] || return
	done
}

# No device of this guest is left on the bus, and no node in /dev.
no_device() {
	! ls -d "$bus/devices/$(bus_name '')"* "$(node '')"* 2>/dev/null
}

until_no_device() {
	wait_for 60 no_device >/dev/null || no_device
}

# -- who uses the devices ----------------------------------------------------

# user DEVICE reader|writer full|empty: has a descriptor open and waits in a
# system call. On a full ring that is a writer that wants space, and a reader that
# leaves what is there until the connection ends; on an empty one a reader that
# wants bytes, and a writer that waits.
user() {
	log=/tmp/users/$1.$2
	case $2.$3 in
	reader.full) set -- "$1" r "" say:ready hup:300000 get:1000000 ;;
	reader.empty) set -- "$1" r "" say:ready get:1 ;;
	writer.full) set -- "$1" w n put:1000000 block say:ready write:x fsync ;;
	writer.empty) set -- "$1" w "" say:ready hup:300000 write:x fsync ;;
	esac
	device=$(node "$1") mode=$2$3
	seed=$1
	shift 3
	setsid $kit/io "$device" "seed:$seed" "open:$mode" "$@" say:held sleep:3000000 >"$log" 2>&1 </dev/null &
}

# Of every three devices one has bytes that nobody has read in the ring to the
# backend, one in the ring to the frontend, one in both; those rings are full.
roles() {
	case $end$(($1 % 3)) in
	front0 | back1) out=full in=empty ;;
	front1 | back0) out=empty in=full ;;
	*) out=full in=full ;;
	esac
}

start_users() {
	rm -rf /tmp/users
	mkdir /tmp/users
	for n in $devices; do
		roles "$n"
		user "$n" writer $out
		user "$n" reader $in
	done
	all_say ready && usleep 200000	# now they are in the call that blocks
}

all_say() {
	for n in $devices; do
		for who in reader writer; do
			wait_for 60 grep -qsx "$1" "/tmp/users/$n.$who" ||
				{ echo "waited 60 s for '$1' of device $n's $who, which said:"; cat "/tmp/users/$n.$who"; return 1; }
		done
	done
}

# users_saw AT-END ON-WRITE: did the calls return what they ought to? Bytes that were
# not read come before what ends them, which is eof or an error.
users_saw() {
	all_say held || return
	wrong=0
	for n in $devices; do
		roles "$n"
		for who in "reader $in" "writer $out"; do
			case $who in
			*reader*full) wanted="ready,poll hup,get $ring $1,held" ;;
			*reader*empty) wanted="ready,get 0 $1,held" ;;
			*writer*full) wanted="put $ring EAGAIN,ready,write $2,fsync $2,held" ;;
			*writer*empty) wanted="ready,poll hup,write $2,fsync 0,held" ;;
			esac
			got=$(paste -sd , "/tmp/users/$n.${who% *}")
			[ "$got" = "$wanted" ] || { echo "device $n, $who"; echo "  got:    $got"; echo "  wanted: $wanted"; wrong=1; }
		done
	done
	return $wrong
}

# None of them has returned from its call.
is_waiting() {
	! grep -lx -e held -e 'poll.*' -e 'write.*' -e 'get.*' /tmp/users/*
}

no_users() { ! pidof io >/dev/null; }

end_users() {
	killall io
	wait_for 60 no_users
}

# -- what a connection is for ------------------------------------------------

# The frontend's bytes and the backend's differ, and so do those of each device.
seed() {
	case $1 in
	front) echo $((guest * 200 + $2 * 2)) ;;
	back) echo $((guest * 200 + $2 * 2 + 1)) ;;
	esac
}

other_end() {
	if [ "$end" = front ]; then echo back; else echo front; fi
}

# Bytes both ways through every device at once.
stream() {
	streams=/tmp/streams.$guest
	rm -rf "$streams"
	mkdir "$streams"
	for n in $devices; do
		timeout "${stream_seconds:-200}" $kit/io "$(node "$n")" open:r "seed:$(seed "$(other_end)" "$n")" "get:$1" >"$streams/$n.get" &
		timeout "${stream_seconds:-200}" $kit/io "$(node "$n")" open:w "seed:$(seed "$end" "$n")" "put:$1" fsync >"$streams/$n.put" &
	done
	wait
	for n in $devices; do
		[ "$(paste -sd , "$streams/$n.get" "$streams/$n.put")" = "get $1
put $1,fsync 0" ] || { cd "$streams" && grep -H . "$n".*; return 1; }
	done
}

# -- bytes that flow meanwhile -------------------------------------------------

# start_flows [MS]: both ways through every device, until they are told to end or the
# connection ends; with pauses of so many ms, where others have to get on. The program has
# another name here: some tests end all that is called io.
start_flows() {
	rm -rf /tmp/flows
	mkdir /tmp/flows
	for n in $devices; do
		flow "$n" get open:r "seed:$(seed "$(other_end)" "$n")" say:open get:1000000000000
		flow "$n" put open:w "seed:$(seed "$end" "$n")" say:open "pace:${1-0}" put:1000000000000 fsync
	done
	for flow in /tmp/flows/*.pid; do wait_for 60 grep -qsx open "${flow%.pid}" || { head "${flow%.pid}"; return 1; }; done
}

flow() {
	device=$(node "$1") flow=/tmp/flows/$1.$2
	shift 2
	setsid $kit/flow "$device" stoppable "$@" >"$flow" 2>&1 </dev/null &
	echo $! >"$flow.pid"
}

# end_flows put|get: the writers first, at both ends; then the readers have all.
end_flows() {
	for n in $devices; do
		wait_for 100 no_flow "/tmp/flows/$n.$1" USR1 || { echo "device $n: $1 does not end"; return 1; }
	done
}

# After the end of the connection.
flows_have_ended() {
	for flow in /tmp/flows/*.pid; do
		wait_for 60 no_flow "${flow%.pid}" 0 || { echo "$flow: it does not end"; return 1; }
	done
}

no_flow() { ! kill -s "$2" "$(cat "$1.pid")" 2>/dev/null; }

# flows_said put|get: a line for each device.
flows_said() {
	for n in $devices; do echo "$n $(sed 1d "/tmp/flows/$n.$1" | paste -sd ' ')"; done
}

# Events, each answered before the next.
ring() {
	for n in $devices; do
		cd "$bus/devices/$(bus_name "$n")" || return
		for i in 1 2 3 4 5; do
			before=$(cat events_received)
			echo 1 >notify || return
			wait_for 60 changed "$before" || { echo "device $n: event $i was not answered"; return 1; }
		done
	done
}

changed() { [ "$(cat events_received)" != "$1" ]; }

versions() {
	for n in $devices; do
		[ "$(xenstore-read "$(front_dir "$n")/version" "$(back_dir "$n")/versions" | paste -sd ' ')" = '1 1' ] || return
	done
}

# -- memory ------------------------------------------------------------------

free_kib() {
	sync
	echo 3 >/proc/sys/vm/drop_caches
	awk '/MemFree/ { print $2 }' /proc/meminfo
}

# What the kernel has for itself, and its slabs that it cannot give back.
kernel_kib() {
	sync
	echo 3 >/proc/sys/vm/drop_caches
	awk '{ kib[$1] = $2 }
		END { print kib["MemTotal:"] - kib["MemFree:"] - kib["Buffers:"] - kib["Cached:"] - kib["AnonPages:"], kib["SUnreclaim:"] }' /proc/meminfo
}

# reconnect TIMES: the driver of this end is unbound and bound, again and again;
# the other end follows.
reconnect() {
	for turn in $(seq "$1"); do
		unbind && until_all "6 6" && bind && until_all "4 4" || { echo "turn $turn of $1"; return 1; }
	done
}

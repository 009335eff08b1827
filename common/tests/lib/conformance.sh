# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0
#
# The table "What the calls return" of mydevice.h: every call in every state of
# the device, at each end that is a module. Then what the table cannot hold: waiting,
# waking, signals, partial results, and who may open what. An end that is a process,
# mydevicepeer, has no calls, but every ending, and a status to exit with.
#
# A test sets FRONT and BACK, to kernel or user, and calls test_conformance.

stage=03-shared-memory
export FRONT BACK
. "$(dirname "$0")/../lib/stage.sh"

# -- the two ends -------------------------------------------------------------

other() { if [ "$1" = back ]; then echo front; else echo back; fi; }
stat_of() { "in_$1" "cat /sys/class/mydevice*/mydevice*0/$2"; }

# io END CALL...: the calls' results on one line.
io() {
	at=$1
	shift
	calls=$*
	path=/dev/$(name "$at")
	! process "$at" || to_pipe "$1"
	"in_$at" "timeout 120 /tmp/io $path $calls" | paste -sd ,
}

# A process takes from the other end whatever it can hand on. So that it can be
# said when the other end's bytes are read, its output is full at other times.
to_pipe() {
	case $1 in
	open:w) path=/run/$(name "$at")/in calls="$calls moved" ;;
	open:r) path=/run/$(name "$at")/out calls="open:rw unplug $(settled "${calls#open:r }") plug" ;;
	esac
}

# It hands on what it knows of, and then what came meanwhile: two reads, or one
# if both are waited for. To discard is to find nothing, perhaps.
settled() { case $1 in discard*) echo "$1" ;; *) echo "settle:300 $1" ;; esac; }

plug() { ! process "$1" || "in_$1" "/tmp/io /run/$(name "$1")/out open:rw plug"; }

# What a process has kept of a connection that is over must be read before the next.
forget() { ! process "$1" || io "$1" open:r discard:500 >/dev/null; }

# swallow END BYTES: reads them; prints how many came.
swallow() {
	if process "$1"; then
		"in_$1" "cd /run/$(name "$1") && /tmp/io out open:rw unplug && head -c $2 out | wc -c && /tmp/io out open:rw plug"
	else
		"in_$1" "head -c $2 /dev/$(name "$1") | wc -c"
	fi
}

# begin END CALL...: in the background; returns when the calls have made the mark.
begin() {
	at=$1
	shift
	"in_$at" 'rm -f /tmp/begun /tmp/again /tmp/go'
	io "$at" "$@" >"$work/begun" & job=$!
	until_there "$at" /tmp/begun
}

# until_there END FILE
until_there() {
	"in_$1" "for try in \$(seq 6000); do [ ! -e $2 ] || exit 0; usleep 10000; done; exit 1"
}

# finish END: lets them go on; $result is what they returned.
finish() {
	"in_$1" 'touch /tmp/go'
	wait "$job"
	result=$(cat "$work/begun")
}

# What is blocked shows as a process that sleeps in the driver.
blocked() {
	"in_$1" 'for try in $(seq 600); do
			for p in $(pidof io); do grep -qs "^mydevice" /proc/$p/wchan && exit 0; done
			usleep 100000
		done
		echo no process is blocked in the driver after 60 s; exit 1'
}

unbind() {
	if process "$1"; then stop_process "$1"
	elif [ "$1" = back ]; then rebind back xen-backend "mydevice-$guest-0" drivers/mydeviceback/unbind
	else rebind front xen mydevice-0 drivers/mydevicefront/unbind; fi
}

bind_alone() {
	if process "$1"; then start_process "$1"
	elif [ "$1" = back ]; then rebind back xen-backend "mydevice-$guest-0" drivers/mydeviceback/bind
	else rebind front xen mydevice-0 drivers/mydevicefront/bind; fi
}

bind() { bind_alone "$1" && forget "$(other "$1")" && until_state '4 4'; }

# As common/stage starts and stops it; pipes that nobody has open are empty.
start_process() {
	"in_$1" "cd /run/$(name "$1") && { setsid $(command_of "$1") --keep <>in >>log 2>&1 1<>out & echo \$! >pid; }
		sleep 0.2" && plug "$1"
}

front_options=''

# lie_to END INDEX DISTANCE: what its peer says of itself becomes impossible.
lie_to() {
	[ "$1" = back ] && liar=frontend || liar=backend
	in_back "/tmp/lie $guest \$(xenstore-read /local/domain/$guest/device/mydevice/0/ring-ref) $liar $2 $3"
}

# -- the table ----------------------------------------------------------------

connected() {
	is "$(io "$1" open:rwn read:9 write:abc poll:0)" "read EAGAIN,write 3,poll out" "$1, Connected: read, write, poll"
	is "$(io "$(other "$1")" open:r read:9)" "read 3 abc" "$1, Connected: the other end reads it"
	is "$(io "$1" open:rwn fsync read:0 write:)" "fsync 0,read 0,write 0" "$1, Connected: fsync, and nothing moved"
	is "$(io "$1" open:rw open:r open:w open:rw)" "open EBUSY,open EBUSY,open EBUSY" "$1, Connected: one reader, one writer"
	is "$(io "$1" open:w open:rw open:r)" "open EBUSY" "$1, Connected: an open that fails keeps nothing"
	is "$(io "$1" open:r close open:rw close open:w)" "" "$1, Connected: a close makes place"
	is "$(io "$1" open:rw seek)" "seek ESPIPE" "$1, Connected: there is no place to seek"
}

# The same calls in each state that a connection can end in: with something
# unread in either direction, then with nothing.
begin_and_end() { begin "$1" open:rw write:unread mark:/tmp/begun wait:/tmp/go read:2 read:9 read:9 write:x fsync poll:0; }

# ends END HOW STATE WANTED WANTED-WHEN-READ OPEN
ends() {
	peer=$(other "$1")
	begin_and_end "$1"
	io "$peer" open:w write:abc >/dev/null
	"$2" "$1"
	finish "$1"
	is "$result" "write 6,$4" "$1, $3: with bytes unread"
	is "$(io "$1" open:r)" "$6" "$1, $3: open"
	bind "${7-$1}" >/dev/null
	begin_and_end "$1"
	is "$(io "$peer" open:r read:9)" "read 6 unread" "the other end reads all"
	"$2" "$1"
	finish "$1"
	is "$result" "write 6,$5" "$1, $3: with nothing unread"
	ok "both ends are Connected again" bind "${7-$1}"
}

peer_closes() { unbind "$(other "$1")" && until_state '6 6' >/dev/null; }
device_goes() { unbind "$1" && until_state '6 6' >/dev/null; }

closed() {
	ends "$1" peer_closes closed \
		"read 2 ab,read 1 c,read 0,write EPIPE,fsync EPIPE,poll in out hup" \
		"read 0,read 0,read 0,write EPIPE,fsync 0,poll in out hup" "open ENOTCONN" "$(other "$1")"
}

gone() {
	ends "$1" device_goes "device gone" \
		"read 2 ab,read 1 c,read ENODEV,write ENODEV,fsync ENODEV,poll in out hup" \
		"read ENODEV,read ENODEV,read ENODEV,write ENODEV,fsync 0,poll in out hup" "open ENOENT"
}

# broken END INDEX DISTANCE: the call that reads that index notices.
broken() {
	first=read:9 last=fsync wanted="read EIO,write EIO,fsync EIO"
	[ "$2" = prod ] || { first=fsync last=read:9 wanted="fsync EIO,write EIO,read EIO"; }
	mark_logs "broken $1 $2 $3"
	begin "$1" open:rw mark:/tmp/begun wait:/tmp/go $first write:x $last poll:0
	lie_to "$1" "$2" "$3" || fail "lying to $1"
	finish "$1"
	is "$result" "$wanted,poll in out err" "$1, broken by $2 $3"
	is "$(io "$1" open:rw)" "open EIO" "$1, broken: open"
	is "$(stat_of "$1" violations)" 1 "$1, broken: it is counted"
	is "$(log_since "$1" | grep -c 'claims an impossible')" 1 "$1, broken: it is logged once"
	[ "$back_domain" != dom0 ] ||
		has "$(target status)" "/dev/$(name "$1"): the other end has broken the protocol, once" "$1, broken: make status says so"
	peer_closes "$1"
	bind_alone "$(other "$1")"
	sleep 1
	has "$(state_of)" '^(1 6|6 2)$' "$1, broken: it follows nobody"
	unbind "$1"
	ok "$1, broken: bound anew, it is Connected again" bind "$1"
	is "$(stat_of "$1" violations)" 0 "$1, bound anew: the count is the new device's"
}

# -- what the table cannot hold ----------------------------------------------

partial() {
	io "$(other "$1")" open:w write:abcdef >/dev/null
	is "$(io "$1" open:rn poll:0 read:4 read:4 read:4)" "poll in,read 4 abcd,read 2 ef,read EAGAIN" "$1: partial reads"
	size=$(io "$1" open:wn fill:3000000 | cut -d ' ' -f 2)
	is "$size" 262144 "$1: a non-blocking write takes what fits in the ring"
	is "$(io "$1" open:rwn poll:0 write:x)" "poll,write EAGAIN" "$1: a full ring: EAGAIN, and poll says no"
	is "$(swallow "$(other "$1")" "$size")" "$size" "the other end reads it all"
	is "$(io "$1" open:rwn poll:1000)" "poll out" "$1: and then there is space again"
}

vectors() {
	is "$(io "$1" open:w writev:abcdef splice:x writev:ghi)" "writev 6,splice EINVAL,writev 3" "$1: writev; splice, which could keep a guest from being saved, is refused"
	is "$(io "$(other "$1")" open:r readv:9)" "readv 9 abcdefghi" "the other end: readv"
	is "$(io "$1" open:rw badwrite:5)" "badwrite EFAULT" "$1: write from no memory"
	io "$(other "$1")" open:w write:xyz >/dev/null
	is "$(io "$1" open:r badread:3 read:9)" "badread EFAULT,read 3 xyz" "$1: read into no memory takes nothing"
}

# A call that waits: until it is served, and until a signal comes.
waits() {
	peer=$(other "$1")
	begin "$1" open:r mark:/tmp/begun read:5
	ok "$1: a reader waits" blocked "$1"
	io "$peer" open:w write:later >/dev/null
	finish "$1"
	is "$result" "read 5 later" "$1: and gets what is written later"
	begin "$1" open:r mark:/tmp/begun pollin:60000 read:5
	io "$peer" open:w write:again >/dev/null
	finish "$1"
	is "$result" "poll in,read 5 again" "$1: so does one that polls"
	begin "$1" open:rn read:5 edge:0 mark:/tmp/begun edge:60000 read:9 edge:0 mark:/tmp/again edge:60000 read:9 edge:300
	io "$peer" open:w write:edges >/dev/null
	until_there "$1" /tmp/again
	io "$peer" open:w write:more >/dev/null
	finish "$1"
	is "$result" "read EAGAIN,edge,edge in,read 5 edges,edge,edge in,read 4 more,edge" "$1: so does one that waits for the edge, twice"
	begin "$1" open:w mark:/tmp/begun fill:1000000
	ok "$1: a writer waits" blocked "$1"
	is "$(swallow "$peer" 1000000)" 1000000 "the other end reads more than a ring"
	finish "$1"
	is "$result" "write 1000000" "$1: a blocking write returns when all is written"
	begin "$1" open:w write:sync mark:/tmp/begun fsync
	ok "$1: fsync waits" blocked "$1"
	is "$(io "$peer" open:r read:9)" "read 4 sync" "the other end reads"
	finish "$1"
	is "$result" "write 4,fsync 0" "$1: and then fsync returns"
	is "$(io "$1" open:rw pollin:300)" "poll" "$1: poll waits for input, and in vain"
}

signals() {
	peer=$(other "$1")
	is "$(io "$1" open:r alarm:300 read:5)" "read EINTR" "$1: a signal ends a read"
	is "$(io "$1" open:w alarm:900 fill:1000000)" "write 262144" "$1: a signal ends a write, which has written a part"
	is "$(io "$1" open:w alarm:300 fill:5)" "fill EINTR" "$1: or nothing"
	begin "$1" open:w alarm:300 mark:/tmp/begun fsync
	ok "$1: fsync waits" blocked "$1"
	"in_$1" 'sleep 1; kill -ALRM $(pidof io); sleep 1'
	ok "$1: fsync does not hear a signal" blocked "$1"
	"in_$1" 'kill -KILL $(pidof io)'
	finish "$1"
	is "$result" "" "$1: but one that is deadly"
	is "$(swallow "$peer" 262144)" 262144 "the other end reads what was written"
}

# Two wait for the other end to read: one in fsync, and then one for space. (A
# process cannot be made to read so little.)
two_waiters() {
	peer=$(other "$1")
	! process "$peer" || return 0
	"in_$1" "rm -f /tmp/synced; exec 3>/dev/$(name "$1")
		(timeout 120 /tmp/io - use:3 fill:100 fsync mark:/tmp/synced; timeout 120 /tmp/io - use:3 fsync) & sleep 1
		timeout 120 /tmp/io - use:3 fill:1000000; wait" >"$work/two" & job=$!
	ok "$1: fsync waits" blocked "$1"
	"in_$1" 'sleep 2'
	is "$(io "$peer" open:r read:1000)" "read 1000" "the other end reads a little"
	ok "$1: fsync returns, while a writer waits" until_there "$1" /tmp/synced
	is "$(swallow "$peer" 999100)" 999100 "the other end reads the rest"
	wait "$job"
	is "$(sort "$work/two" | paste -sd ,)" "fsync 0,fsync 0,write 100,write 1000000" "$1: and then all return"
}

# saved END CALL...: a guest is saved while the calls wait, and goes on. If that fails
# its user space may be frozen for good: nobody can use that lab any more.
saved() {
	begin "$@"
	ok "$1: a call waits" blocked "$1"
	ok "the guest can be saved meanwhile" in_dom0 'xl save -c domU1 /dev/null 2>&1' ||
		{ "$lab" stop; bail_out "the guest may be frozen"; }
}

frozen() {
	saved front open:w write:abc mark:/tmp/begun fsync
	is "$(io back open:r read:9)" "read 3 abc" "the backend's end reads"
	finish front
	is "$result" "write 3,fsync 0" "and then fsync returns"
	saved front open:w mark:/tmp/begun fill:1000000
	is "$(swallow back 1000000)" 1000000 "the backend's end reads"
	finish front
	is "$result" "write 1000000" "and the write was not cut short"
	saved front open:r mark:/tmp/begun read:5
	io back open:w write:later >/dev/null
	finish front
	is "$result" "read 5 later" "nor was a read interrupted"
}

# A backend that comes back with the old pages mapped could take page after page.
keeps_mapped() {
	mark_logs mapped
	in_back "(/tmp/lie $guest \$(xenstore-read /local/domain/$guest/device/mydevice/0/ring-ref) frontend prod 0 300 &) >/dev/null 2>&1
		sleep 1; pidof lie >/dev/null" || fail "holding the index page"
	unbind back
	until_state '6 6' >/dev/null
	bind_alone back
	sleep 1
	is "$(state_of)" "6 2" "a backend that keeps pages mapped is not followed"
	has "$(log_since front)" 'has old pages mapped: its offer is not taken' "the log says why"
	in_back 'killall lie'
	unbind back
	ok "when it has let go of them, its next offer is taken" bind back
}

# Whatever sleeps when the connection ends is woken.
woken() {
	peer=$(other "$1")
	begin "$1" open:r mark:/tmp/begun read:5
	ok "$1: a reader waits" blocked "$1"
	device_goes "$1"
	finish "$1"
	is "$result" "read ENODEV" "$1: unbinding wakes it"
	bind "$1" >/dev/null
	begin "$1" open:w mark:/tmp/begun fill:1000000
	ok "$1: a writer waits" blocked "$1"
	device_goes "$1"
	finish "$1"
	is "$result" "write 262144" "$1: unbinding wakes it"
	bind "$1" >/dev/null
	begin "$1" open:w write:abc mark:/tmp/begun fsync
	ok "$1: fsync waits" blocked "$1"
	peer_closes "$1"
	finish "$1"
	is "$result" "write 3,fsync EPIPE" "$1: the end of the connection wakes it"
	bind "$peer" >/dev/null
}

# A file belongs to the connection that it was opened on.
old_files() {
	peer=$(other "$1")
	begin "$1" open:rw mark:/tmp/begun wait:/tmp/go read:9 write:x poll:0
	peer_closes "$1"
	bind "$peer" >/dev/null
	is "$(io "$1" open:rwn write:new read:9)" "write 3,read EAGAIN" "$1: an old file does not keep a new one away"
	io "$peer" open:w write:fresh >/dev/null
	finish "$1"
	is "$result" "read 0,write EPIPE,poll in out hup" "$1: and has no part in the new connection"
	is "$(io "$1" open:r read:9)" "read 5 fresh" "$1: which the new one has"
	is "$(io "$peer" open:r read:9)" "read 3 new" "the other end reads what the new one wrote"
}

# Every attribute is a number, those of the stream and those of the event channel.
attributes() {
	for end in front back; do
		own=answer
		[ $end = back ] || own=round_trip_ns
		is "$("in_$end" "cd /sys/class/mydevice*/mydevice*0 && grep -hE '^[0-9]+\$' generation violations \
			events_suppressed events_spurious sleeps bytes_sent bytes_received tx_ring_page_order rx_ring_page_order \
			device/events_sent device/events_received device/$own | wc -l")" 12 "$end: 12 attributes are numbers"
	done
}

# notified END COMMAND OTHER-END: an event of one's own making, and who received it.
notified() {
	before=$(stat_of "$3" device/events_received)
	"in_$1" "cd /sys/bus/xen*/devices/mydevice-*0 && $2 && usleep 300000"
	is "$(($(stat_of "$3" device/events_received) - before))" 1 "$1: $2, and the other end received an event"
}

# answered COUNT: how many events come in answer to the frontend's. An answer is an event, too; the time until it came is
# no proof, as two virtual processors of an emulated machine may disagree about the time by as much.
answered() {
	before_answer=$(stat_of front device/events_received)
	notified front 'echo 1 >notify' back
	is "$(($(stat_of front device/events_received) - before_answer))" "$1" "front: events in answer: $1"
}

# No stream moves meanwhile, so there are no events but these.
events_by_hand() {
	answer=/sys/bus/xen-backend/devices/mydevice-$guest-0/answer
	answered 0
	is "$(stat_of front device/round_trip_ns)" 0 "front: no round trip is shown"
	in_back "echo 1 >$answer"
	answered 1
	[ "${LAB_CPUS:-1}" != 1 ] || has "$(stat_of front device/round_trip_ns)" '^[1-9][0-9]{3,}$' "front: a round trip takes microseconds at least"
	ok "back: an answer is yes or no" in_back "! echo maybe >$answer"
	in_back "echo 0 >$answer"
	notified back 'echo 1 >notify' front
}

statistics() {
	attributes
	unbind front && until_state '6 6' >/dev/null && bind front >/dev/null
	is "$(stat_of front bytes_sent) $(stat_of back bytes_received) $(stat_of back sleeps)" "0 0 0" "a new connection has moved nothing"
	io front open:w write:abcdefg >/dev/null
	io back open:rwn read:9 write:xyz read:9 >/dev/null
	is "$(stat_of front bytes_sent) $(stat_of back bytes_received)" "7 7" "seven bytes went from the frontend to the backend"
	is "$(stat_of back bytes_sent) $(stat_of front bytes_received)" "3 0" "three to the frontend, and wait there"
	has "$(in_front 'cat /sys/kernel/debug/mydevicefront/mydevice-0')" '^received +262144 +3 +0 ' "debugfs shows them"
	has "$(in_back "cat /sys/kernel/debug/mydeviceback/mydevice-$guest-0")" '^sent +262144 +3 +0 ' "at both ends"
	is "$(stat_of front generation)" 1 "a device that is bound anew begins at its first connection"
	has "$(stat_of back generation)" '^[1-9][0-9]*$' "the other end counts on"
	is "$(stat_of front tx_ring_page_order) $(stat_of front rx_ring_page_order) $(stat_of back tx_ring_page_order)" "6 6 6" "the rings' orders"
	unbind front && until_state '6 6' >/dev/null
	is "$(in_back "cat /sys/class/mydeviceback/mydevice$guest.0/bytes_sent 2>&1")" \
		"cat: read error: Transport endpoint is not connected" "statistics end with what they describe"
	ok "nobody can be notified then" in_back "! echo 1 >/sys/bus/xen-backend/devices/mydevice-$guest-0/notify"
	is "$(stat_of back device/events_received)" 0 "so do the counts of events"
	bind front >/dev/null
	events_by_hand
}

# -- streams ------------------------------------------------------------------

# stream BYTES SEED: both ways at once.
stream() {
	jobs=
	for end in back front; do
		[ $end = back ] && out=1 in=2 || out=2 in=1
		source=/dev/$(name $end) sink=/dev/$(name $end)
		! process $end || source=/run/$(name $end)/out sink=/run/$(name $end)/in
		! process $end || "in_$end" "/tmp/io $source open:rw unplug"
		"in_$end" "/tmp/bytes $source receive $1 $2$in" & jobs="$jobs $!"
		"in_$end" "/tmp/bytes $sink send $1 $2$out" & jobs="$jobs $!"
	done
	for job in $jobs; do wait "$job" || status=1; done
	plug back
	plug front
	return "${status-0}"
}

# parameters ORDER FIRST-INDEX POLL: of a new connection.
parameters() {
	front_options="--ring-page-order $1 --first-index $2"
	process front || in_front "echo $1 >/sys/module/mydevicefront/parameters/ring_page_order
		echo $2 >/sys/module/mydevicefront/parameters/first_index
		echo $3 >/sys/module/mydevicefront/parameters/poll_us"
	process back || in_back "echo $3 >/sys/module/mydeviceback/parameters/poll_us"
	unbind front && until_state '6 6' >/dev/null && bind front >/dev/null
}

streams() {
	mib=128 seed=$(date +%s)
	[ "$FRONT$BACK" = kernelkernel ] || mib=8
	[ "${CHECK-}" != long ] || { mib=1024 LAB_TIMEOUT=7200; }
	ok "$mib MiB each way, in every manner (seed $seed)" stream $((mib << 20)) "$seed"
	for order in 0 3 8; do
		parameters $order 4294900000 0
		ok "across the wrap of the indices, rings of order $order" stream $((mib << 15)) "$seed"
		is "$(in_dom0 "xenstore-read /local/domain/$guest/device/mydevice/0/out-ring-page-order")" \
			$order "the order is $order"
	done
	parameters 6 0 1000
	ok "both ends look for a while before they sleep" stream $((mib << 15)) "$seed"
	parameters 6 0 100
}

# -- an end that is a process -------------------------------------------------

# once END OPTIONS-AND-FILES: a process for this one connection.
once() {
	"in_$1" "$(command_of "$1") $2; echo status \$?" >"$work/once" & job=$!
	until_state '4 4' || fail "$1: a process for one connection"
}

# $result is what it exited with.
once_ended() {
	wait "$job"
	result=$(tail -n 1 "$work/once")
}

signal() { "in_$1" "kill -$2 \$(pidof mydevicepeer)"; }
said() { "in_$1" "cat /tmp/said"; }

# Its files instead of pipes, and an end: of the input, of the other end.
sends_and_receives() {
	peer=$(other "$1")
	"in_$1" ': >/tmp/sent; : >/tmp/got; /tmp/io /tmp/sent open:w seed:3 put:3000000' >/dev/null
	once "$1" "--send-only </tmp/sent 2>/tmp/said"
	is "$(io "$peer" open:r seed:3 get:3000000)" "get 3000000" "the other end reads all that the process sends"
	once_ended
	is "$result" "status 0" "$1: and then it leaves"
	ok "both ends are Closed" until_state '6 6'
	has "$(nodes_of "$1")" '^state$' "$1: a state is there" 
	is "$(nodes_of "$1" | grep -E 'version|ring|event')" "" "$1: what it published is not"
	once "$1" "</dev/null >/tmp/got 2>/tmp/said"
	is "$(io "$peer" open:w seed:7 put:1000000)" "put 1000000" "the other end writes"
	peer_closes "$1"
	once_ended
	is "$result" "status 0" "$1: a process leaves when the other end has closed"
	is "$("in_$1" '/tmp/io /tmp/got open:r seed:7 get:1000000 read:9')" "get 1000000
read 0" "$1: with all that the other end wrote"
	bind_alone "$peer"
}

nodes_of() {
	case $1 in
	back) in_dom0 "xenstore-list /local/domain/$backend/backend/mydevice/$guest/0" ;;
	front) in_dom0 "xenstore-list /local/domain/$guest/device/mydevice/0" ;;
	esac
}

signals_end_it() {
	for signal in INT TERM HUP; do
		once "$1" "</dev/null 2>/tmp/said"
		signal "$1" $signal
		once_ended
		is "$result" "status 0" "$1: SIG$signal closes the connection"
		ok "$1: SIG$signal: both ends are Closed" until_state '6 6'
	done
}

unread_is_an_error() {
	peer=$(other "$1")
	once "$1" "</tmp/sent 2>/tmp/said"
	"in_$1" 'sleep 1'
	peer_closes "$1"
	once_ended
	is "$result" "status 74" "$1: the other end closes and has not read all"
	has "$(said "$1")" '^mydevicepeer: [0-9]+ bytes had not been read by the ' "$1: the process says so"
	bind_alone "$peer"
}

# The other end is told by the kernel of the one that died.
dies() {
	peer=$(other "$1")
	[ "$1" = back ] && states='6 4' || states='4 6'
	once "$1" "</dev/null 2>/tmp/said"
	! process "$peer" || "in_$peer" ": >/run/$(name "$peer")/log"
	process "$peer" || begin "$peer" open:rw mark:/tmp/begun read:5 write:x
	signal "$1" KILL
	ok "$1: a process is killed, and the other end says Closed" until_state "$states"
	if process "$peer"; then
		has "$("in_$peer" "cat /run/$(name "$peer")/log")" ' died$' "the other end says why"
	else
		finish "$peer"
		is "$result" "read 0,write EPIPE" "the other end's reader sees the end"
		has "$("in_$peer" 'dmesg | tail -n 5')" ' died\.$' "and its log says why"
	fi
}

# An impossible index: the process gives up, and says why in XenStore, too.
is_lied_to() {
	[ "$1" = back ] && home=$backend || home=$guest
	once "$1" "$3 2>/tmp/said"
	lie_to "$1" "$2" 262145
	signal "$1" USR2
	once_ended
	is "$result" "status 76" "$1, broken by $2: a process leaves"
	has "$(said "$1")" "^mydevicepeer: the (front|back)end claims an impossible $4 index 262145" "$1: and says why"
	has "$(in_dom0 "xenstore-ls -f /local/domain/$home/error")" "impossible $4 index" "$1: in XenStore, too"
	ok "both ends are Closed" until_state '6 6'
}

process_end() {
	stop_process "$1"
	sends_and_receives "$1"
	signals_end_it "$1"
	unread_is_an_error "$1"
	dies "$1"
	once "$1" "</dev/null 2>/tmp/said"
	is "$("in_$1" "$(command_of "$1") 2>&1; echo \$?")" "mydevicepeer: another mydevicepeer drives $(dir_of "$1")
69" "$1: a second process is refused"
	signal "$1" TERM
	once_ended
	until_state '6 6'
	is_lied_to "$1" prod "</dev/null" producer
	is_lied_to "$1" cons "</tmp/sent" consumer
	ok "$1: a process that stays is Connected" bind "$1"
	is "$(in_dom0 'xenstore-ls -f | grep error/.*/error')" "" "$1: the error is taken back by the next one"
}

dir_of() { if [ "$1" = back ]; then echo "backend/mydevice/$guest/0"; else echo device/mydevice/0; fi; }

# -----------------------------------------------------------------------------

kernel_end() {
	for part in connected closed gone partial vectors waits signals two_waiters woken old_files; do
		$part "$1"
		[ "$tests_failed" -eq 0 ] || return 1
	done
}

everything() {
	for end in front back; do
		if process $end; then process_end $end; else kernel_end $end; fi
		[ "$tests_failed" -eq 0 ] || return 1
	done
	process front || process back || { statistics; ! can_save || frozen; }
	streams
}

# After lie has mapped pages, lockdep is of no more use: see without_gntdev.
lies() {
	for end in front back; do
		process $end || for index in prod cons; do
			for distance in 262145 2147483648 -1; do
				broken $end $index $distance
				[ "$tests_failed" -eq 0 ] || return 1
			done
		done
	done
	process front || process back || keeps_mapped
}

# The domain of the backend is dom0, or what the test says of back_domain.
start_domains() {
	if [ "$back_domain" = dom0 ]; then "$lab" start; else "$lab" start 2; fi || bail_out "the lab does not start"
	guest=$(in_dom0 'xl domid domU1') || bail_out "dom0 does not answer"
	[ "$back_domain" = dom0 ] || backend=$(in_dom0 "xl domid $back_domain")
	unload >/dev/null 2>&1
}

# Of the log since the mark, which it has to reach back to. (A process says nothing there.)
complaints() {
	"in_$1" "dmesg | grep -qF '$mark'" || echo "what was said is not in the log any more"
	log_since "$1" | without_gntdev |
		grep -E 'BUG|WARN|Oops|Call Trace|rcu.*stall|blocked for more|general protection'
}

test_conformance() {
	"$top/common/tests/build" common/tests/stages/io common/tests/stages/bytes common/tests/stages/lie || bail_out "the test programs cannot be compiled"
	start_domains
	sanitized_peer $stage || bail_out "mydevicepeer cannot be compiled"
	mark_logs 1
	first_mark=$mark
	start=$(ledger)
	ok "make load FRONT=$FRONT BACK=$BACK" load
	unhurt
	for domain in "$back_domain" "$front_domain"; do "$lab" put "$domain" "$work/io" "$work/bytes" "$work/lie" /tmp; done
	plug back
	plug front
	everything
	unhurt
	! debugging || ok "so far the kernels' checkers have nothing to say" checkers_are_silent "$front_domain" "$back_domain"
	lies
	unhurt
	mark=$first_mark
	for end in back front; do
		is "$(complaints $end)" "" "no warning in the log of $end" ||
			log_since $end | grep -E -m 1 -B 3 -A 40 'BUG|WARN|Oops|Call Trace' | sed 's/^/# /'
		is "$("in_$end" "dmesg | grep segfault; pidof mydevicepeer" | wc -w)" "$(process $end && echo 1 || echo 0)" "$end: as many processes as there should be"
	done
	for end in back front; do
		is "$("in_$end" "cat /run/mydevice*/log /tmp/said 2>/dev/null | grep -E 'Sanitizer|runtime error'")" "" "$end: no sanitizer has a complaint"
	done
	ok "make unload, nothing by force" unloads_without_force
	nothing_left
	ok "grants and event channels are back where they began" ledger_is_back "$start"
	! debugging || ok "the kernels have lost no memory" nothing_leaked "$front_domain" "$back_domain"
	done_testing
}

#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# xbdoctor finds the cause where it is outside the device's two directories. Such causes, as people
# met them, are limits, errors of an earlier lifetime, drivers of other types, rings that stand
# still, processes and domains that do not run, and kernels that have crashed. Those that hurt the
# lab most come last. In each case the first line of xbdoctor has to be the cause, and the test
# types the remedies that are printed.

top=$(cd "$(dirname "$0")/../../.." && pwd -P)
lab=$top/common/lab/lab
work=$top/.build/tests/doctor-field
parts=$top/common/tests/tools/doctor
stage=03-shared-memory
export LAB_TIMEOUT="${LAB_TIMEOUT:-300}"
. "$top/common/tests/lib/tap.sh"

in_dom0() { "$lab" run dom0 ". /tmp/names.sh; $1" </dev/null; }
in_domU() { "$lab" run domU ". /tmp/names.sh; $1" </dev/null; }

# -- what is made here -----------------------------------------------------------------

# renamed DIRECTORY STAGE NAME: a copy of a stage with another name, as a reader makes one.
renamed() {
	mkdir -p "$1"
	for file in "$top/$2"/*; do
		case $file in
		*.[ch] | */Kbuild | */*.sh)
			sed "s/mydevice/$3/g" "$file" >"$1/$(basename "$file" | sed "s/mydevice/$3/")" ;;
		esac
	done
}

modules() { make -s -C "$("$lab" headers)" M="$1" KCFLAGS=-Werror modules >/dev/null; }

# A frontend that never notifies: each wake-up of the backend's reader is lost.
quiet_frontend() {
	renamed "$work/quiet" $stage mydevice
	sed -i '/^static void mydevicefront_notify(/,/^}/s/notify_remote_via_irq(info->irq)/(void)info/' \
		"$work/quiet/mydevicefront.c"
	! cmp -s "$work/quiet/mydevicefront.c" "$top/$stage/mydevicefront.c" && modules "$work/quiet"
}

build() {
	rm -rf "$work"
	mkdir -p "$work/ill"
	make -s -C "$top/common/tools" programs || return
	cp "$parts/Kbuild" "$parts"/hang.c "$parts"/doze.c "$parts"/trap.c "$work/ill" && modules "$work/ill" || return
	gcc -std=gnu11 -D_GNU_SOURCE -O2 -Wall -Wextra -Werror -static -o "$work/hold" "$parts/hold.c" || return
	renamed "$work/mything" 01-hello-probe mything
	renamed "$work/first" 01-hello-probe mydevice
	modules "$work/mything" && modules "$work/first" && quiet_frontend
}

names_sh() {
	cat <<-NAMES
		g=$guest F=/local/domain/$guest/device/mydevice/0 B=/local/domain/0/backend/mydevice/$guest/0
		front=/sys/bus/xen/drivers/mydevicefront back=/sys/bus/xen-backend/drivers/mydeviceback
	NAMES
	cat <<-'NAMES'
		look() { /root/xbdoctor --wait 1 "$@" 2>&1; echo "status $?"; }
		# until COMMAND...: it succeeds, soon
		until_() { for try in $(seq ${tries:-60}); do "$@" >/dev/null 2>&1 && return; sleep 0.5; done; echo "never: $*"; }
		states() { [ "$(xenstore-read $F/state $B/state | paste -sd ' ')" = "$1" ]; }
		# hold WHAT N: in the background, until let_go
		hold() {
			rm -f /tmp/held; mkfifo /tmp/held
			(exec /root/hold $1 $2 </tmp/held >/tmp/holds) & exec 3>/tmp/held
			until_ test -s /tmp/holds
		}
		let_go() { exec 3>&-; wait; }
		# device TYPE: activated by hand
		device() {
			f=/local/domain/$g/device/$1/0 k=/local/domain/0/backend/$1/$g/0
			xenstore-write $f "" $k ""
			xenstore-chmod $f n$g r0
			xenstore-chmod $k n0 r$g
			xenstore-write $f/backend $k $f/backend-id 0 $f/state 1 \
				$k/frontend $f $k/frontend-id $g $k/online 1 $k/state 1
		}
		no_device() { xenstore-rm -t /local/domain/$g/device/$1/0; xenstore-rm -t /local/domain/0/backend/$1/$g/0; sleep 1; }
	NAMES
}

# -- judging ---------------------------------------------------------------------------------

# first TEXT ANCHOR PATTERN DESCRIPTION: the first line is that finding, an error.
first() {
	line=$(printf '%s\n' "$1" | grep -E '^(error|warning|ok|note):' | head -n 1)
	if printf '%s\n' "$line" | grep -Eq "^error: .*$3.* \[docs/troubleshooting\.md#$2\]\$"; then
		pass "$4: $2 comes first"
	else
		fail "$4: $2 comes first" "$1"
	fi
}

# finds TEXT ANCHOR PATTERN DESCRIPTION: some line is
finds() { has "$1" "^(error|warning|note): .*$3.* \[docs/troubleshooting\.md#$2\]\$" "$4: $2"; }

lacks() {
	if printf '%s\n' "$1" | grep -E -- "$2"; then
		fail "$3" "$1"
	else
		pass "$3"
	fi
}

well() { has "$1" '^status 0$' "$2: no finding is left"; }

# part N TEXT: what is between the lines "-- N" and the next
part() { printf '%s\n' "$2" | sed -n "/^-- $1\$/,/^-- $(($1 + 1))\$/p" | grep -v '^-- '; }

ok "the programs and modules of this test are built" build || exit 1
"$lab" start || bail_out "the lab does not start"
guest=$("$lab" run dom0 'xl domid domU1' </dev/null) || bail_out "dom0 does not answer"
names_sh >"$work/names.sh"
make -s -C "$top/$stage" load WHERE=lab >"$work/load.log" 2>&1 || { cat "$work/load.log"; bail_out "$stage cannot be loaded"; }
"$lab" put dom0 "$work/names.sh" "$top/$stage/activate.sh" "$top/$stage/deactivate.sh" /tmp &&
	"$lab" put domU "$work/names.sh" /tmp || bail_out "nothing can be copied to the lab"
"$lab" put dom0 "$top/.build/tools/xbdoctor" "$work/ill/hang.ko" "$work/mything/mythingback.ko" \
	"$top/$stage/mydeviceback.ko" /root &&
	"$lab" put domU "$top/.build/tools/xbdoctor" "$work/hold" "$work/ill/trap.ko" "$work/ill/doze.ko" "$work/mything/mythingfront.ko" \
		"$work/quiet/mydevicefront.ko" /root || bail_out "nothing can be copied to the lab"
well "$(in_dom0 'look')" "dom0, before anything is done"
well "$(in_domU 'look')" "domU, before anything is done"

# -- limits ------------------------------------------------------------------------------------

# F1: the transactions are all open while the driver is bound again.
said=$(in_domU 'hold transactions 20; echo -- 1; look mydevice
	echo mydevice-0 >$front/unbind; echo mydevice-0 >$front/bind; sleep 1
	echo -- 2; look mydevice; let_go; sleep 1; echo -- 3; look mydevice')
first "$(part 1 "$said")" quota-transactions 'as many XenStore transactions open' "all transactions are open"
has "$(part 1 "$said")" '/dev/xen/xenbus open.*: [0-9]+ \(hold\)' "it says who has them"
has "$(part 1 "$said")" 'in domain 0: .*/xenstore-control quota set transactions 20 ' "it says how the limit is raised"
first "$(part 2 "$said")" quota-transactions 'as many XenStore transactions open' "a driver that could not change its state"
finds "$(part 2 "$said")" quota-transactions '28 starting transaction' "a driver that could not change its state"
lacks "$(part 2 "$said")" '^ok: mydevice-0' "a driver that could not change its state is not called well"
lacks "$(part 3 "$said")" '^error: this domain.*transactions' "the transactions are free again"
lacks "$(part 3 "$said")" 'quota set' "a limit that is not met any more is not to be raised"
said=$(in_domU 'echo mydevice-0 >$front/unbind 2>/dev/null; echo mydevice-0 >$front/bind; sleep 2; look mydevice')
well "$said" "bound again, as is printed"
finds "$said" old-error 'in an earlier life: "28 starting transaction"' "what it wrote then"

said=$(in_domU 'hold watches 300; look; let_go; look')
first "$said" quota-watches 'as many XenStore watches' "all watches are in use"
has "$said" ': [0-9]+ \(hold\)' "it says who has them"
well "$said" "the watches are given back"

# One node at a time, until one is refused because of the quota.
said=$(in_domU 'tries=280; hold nodes 5000; cat /tmp/holds; look; let_go; xenstore-rm /local/domain/$g/data/many; look')
has "$said" '^[0-9]+ nodes: ENOSPC$' "nodes are written until the quota is met"
first "$said" quota-nodes 'as many XenStore nodes as it may' "all nodes are in use"
well "$said" "the nodes are removed"

said=$(in_domU 'hold ports 5000; look; let_go; look')
first "$said" port-limit 'as many event channels as it may: [0-9]+ are in use, 10[0-9]+ of them by processes' "all ports are in use"
has "$said" '/dev/xen/evtchn open.*: [0-9]+ \(hold\)' "it says who has them"
has "$said" 'max_event_channels = [0-9]+ in the domain' "it says how the limit is raised"
well "$said" "the ports are given back"

said=$(in_domU 'echo 20 >/sys/module/xen_gntalloc/parameters/limit; hold pages 50; look; echo 1024 >/sys/module/xen_gntalloc/parameters/limit; look; let_go')
first "$said" gntalloc-limit '20 of 20 are mapped' "gntalloc is used up"
has "$said" 'by process: [0-9]+ \(hold\): 20' "it says by whom"
has "$said" '^    echo 1024 >/sys/module/xen_gntalloc/parameters/limit$' "it says how the limit is raised"
well "$said" "the limit is raised, as is printed"

# The numbers that end up in the error nodes of Xen's limits, as drivers write them (F2, F3).
# texts DOMAIN-DIRECTORY WANTED TEXT: in the error node of the backend
wrote() {
	said=$(in_dom0 "xenstore-write /local/domain/0/error/backend/mydevice/\$g/0/error \"$3\"; look mydevice; xenstore-rm /local/domain/0/error")
	finds "$said" "$1" "$2" "\"$3\""
}
wrote maptrack-limit 'no maptrack frame is left' "13 mapping a ring's page by grant reference 776"
has "$said" '^    Xen says of domain 0: [0-9]+ frames \([0-9]+ max\), [0-9]+ maptrack frames \([0-9]+ max\)' \
	"it says how many are used, of how many"
has "$said" '^    that limit is not met now:$' "and so that the limit is not met"
wrote maptrack-limit 'grant status -13' "71 mapping the index page: grant status -13"
wrote error-node 'grant status -3, GNTST_bad_gntref' "3 mapping in shared page 8 from domain 1"
wrote error-node 'EACCES, Permission denied' "13 reading the frontend's version"
wrote grant-limit "grant table is full" "28 sharing a ring"
wrote port-limit "event channels" "28 allocating event channel"
wrote quota-watches "XenStore watches" "7 adding watch on /local/domain/1/device/mydevice/0/state"
wrote error-node "ENOSPC, a limit of Xen's" "28 something"

# -- what drives an end ---------------------------------------------------------------------------

# F5: a driver of another type, that is loaded and not bound.
said=$(in_dom0 'insmod /root/mythingback.ko; device mything; sleep 1; echo mything-$g-0 >/sys/bus/xen-backend/drivers/mythingback/unbind; sleep 1
	echo -- 1; look mything')
first "$(part 1 "$said")" not-bound 'the driver mythingback is loaded, but not bound' "a driver of another type"
lacks "$said" 'with xl' "xl is not to be asked for a type that it does not know"
in_domU 'insmod /root/mythingfront.ko'
said=$(in_dom0 "$(printf '%s\n' "$said" | sed -n 's/^    \(echo .*bind\)$/\1/p'); sleep 3; look mything")
well "$said" "bound, as is printed"
said=$(in_domU 'echo mything-0 >/sys/bus/xen/drivers/mythingfront/unbind; sleep 1; look mything-0')
first "$said" not-bound 'mything-0: the driver mythingfront is loaded' "and in the guest, by its name there"
said=$(in_dom0 'echo mything-$g-0 >/sys/bus/xen-backend/drivers/mythingback/unbind; rmmod mythingback; echo -- 1; look mything
	echo -- 2; XBDOCTOR_TYPE=mything XBDOCTOR_STAGE=my-thing XBDOCTOR_WHERE=lab look mything
	echo -- 3; look mythign; look mytihng-$g-0; no_device mything; device vkbx; sleep 1; look vkbx; no_device vkbx')
first "$(part 1 "$said")" no-driver 'no driver for the backend' "a type without a driver"
has "$(part 1 "$said")" 'no module of /lib/modules.* serves xen-backend:mything' "modprobe knows none"
has "$(part 2 "$said")" "^    on the lab's host: make -C my-thing load$" "a copy of a stage has its own make"
is "$(part 3 "$said" | grep -c '^error: myt[ihng-]*[0-9-]*: .* of the type mything .*#similar-type')" 2 "a typo in the type"
in_domU 'rmmod mythingfront'
said=$(in_dom0 'rmmod xen_netback 2>/dev/null; device vif2; look vif2; no_device vif2; device vbd; sleep 1; look vbd; no_device vbd')
has "$said" '^    modprobe xen_blkback$|no module of' "the name that modprobe would use"

# A process: stopped, gone, or beside a module.
make -s -C "$top/$stage" load BACK=user WHERE=lab >"$work/load.log" 2>&1 || { cat "$work/load.log"; bail_out "no process can be the backend"; }
said=$(in_dom0 'P=$(pidof mydevicepeer)
	echo -- 1; kill -STOP $P; look mydevice; kill -CONT $P; sleep 1
	echo -- 2; echo 10 >/sys/module/xen_gntdev/parameters/limit; look mydevice; echo 65536 >/sys/module/xen_gntdev/parameters/limit
	echo -- 3; look mydevice
	echo -- 4; mkdir -p /tmp/cg; mount -t cgroup2 none /tmp/cg; mkdir /tmp/cg/held
	echo $P >/tmp/cg/held/cgroup.procs; echo 1 >/tmp/cg/held/cgroup.freeze; sleep 0.5; look mydevice
	echo 0 >/tmp/cg/held/cgroup.freeze; sleep 1
	echo -- 5; look mydevice
	echo -- 6; kill -KILL $P; sleep 1; XBDOCTOR_STAGE=03-shared-memory XBDOCTOR_WHERE=lab look mydevice
	rmdir /tmp/cg/held; umount /tmp/cg')
first "$(part 1 "$said")" process-stopped 'process [0-9]+ \(mydevicepeer\), which is the backend, is stopped' "a stopped process"
has "$(part 1 "$said")" '^    kill -CONT [0-9]+$' "it says how the process goes on"
finds "$(part 2 "$said")" gntdev-limit 'mydevicepeer\): [0-9]+' "gntdev's limit"
well "$(part 3 "$said")" "the process goes on"
first "$(part 4 "$said")" process-stopped 'which is the backend, is frozen, with its cgroup' "a frozen process"
has "$(part 4 "$said")" '^    echo 0 >/tmp/cg/held/cgroup.freeze$' "it says how that goes on"
well "$(part 5 "$said")" "it goes on"
first "$(part 6 "$said")" process-gone 'process [0-9]+, which was the backend, is gone' "a process that was killed"
has "$(part 6 "$said")" "make -C 03-shared-memory load$" "nothing would drive it if it were only activated again"
make -s -C "$top/$stage" load WHERE=lab >"$work/load.log" 2>&1 || { cat "$work/load.log"; bail_out "the modules cannot be loaded again"; }
well "$(in_dom0 'look mydevice')" "the modules, after a process"

# -- the states, and what they hide ----------------------------------------------------------------

# Connected by its states, and nothing is there: a 4 by hand.
said=$(in_dom0 'echo mydevice-$g-0 >$back/unbind; until_ states "6 6"
	xenstore-write $F/state 4 $B/state 4; look mydevice; echo mydevice-$g-0 >$back/bind; sleep 3')
lacks "$said" '^ok: mydevice' "Connected by hand is not called well"
finds "$said" process-gone 'neither a driver nor a process drives the backend here' "Connected by hand"

# A stage's backend with another's frontend (F9). They refuse each other, and say why.
in_domU 'echo mydevice-0 >$front/unbind; rmmod mydevicefront'
said=$(in_dom0 'sh /tmp/deactivate.sh $g >/dev/null 2>&1; rmmod mydeviceback' && "$lab" put dom0 "$work/first/mydeviceback.ko" /tmp &&
		"$lab" put domU "$top/$stage/mydevicefront.ko" /tmp && in_dom0 'insmod /tmp/mydeviceback.ko; sh /tmp/activate.sh $g' &&
		in_domU 'insmod /tmp/mydevicefront.ko' && in_dom0 'sleep 3; XBDOCTOR_STAGE=03-shared-memory XBDOCTOR_WHERE=lab look mydevice')
first "$said" mixed-stages 'the frontend speaks version "3", and the backend "1"' "frontend of 03, backend of 01"
has "$said" "^    on the lab's host: make -C 03-shared-memory load" "it says what to load"

# F11: the keys one by one, state first. What made the guest made its directory of errors, too.
in_dom0 'E=/local/domain/$g/error; xenstore-exists $E || { xenstore-write $E ""; xenstore-chmod $E n$g; }
	sh /tmp/deactivate.sh $g >/dev/null 2>&1; rmmod mydeviceback; insmod /root/mydeviceback.ko'
said=$(in_dom0 'xenstore-write $F "" $B ""; xenstore-chmod $F n$g r0; xenstore-chmod $B n0 r$g
	for pair in "$F/state 1" "$B/state 1" "$F/backend $B" "$F/backend-id 0" "$B/frontend $F" "$B/frontend-id $g" "$B/online 1"; do
		xenstore-write $pair; sleep 0.5
	done; sleep 1; look mydevice')
first "$said" error-node 'written one by one, and state not last' "the keys one by one"
# The cure in commands that every dom0 has: type them all.
in_dom0 "$(printf '%s\n' "$said" | sed -n '/#error-node/,/^error: .*#stuck/s/^    //p')" >/dev/null
said=$(in_dom0 'until_ states "4 4"; look mydevice')
well "$said" "activated again, as is printed"

# F10: an error node from before the device was activated; the frontend is not loaded.
in_domU 'echo mydevice-0 >$front/unbind; rmmod mydevicefront'
said=$(in_dom0 'sh /tmp/deactivate.sh $g; xenstore-write /local/domain/0/error/backend/mydevice/$g/0/error "3 x"; sh /tmp/activate.sh $g; until_ states "1 2"; look mydevice')
first "$said" stuck-initwait 'has to publish' "an error of an earlier life"
finds "$said" old-error 'in an earlier life: "3 x"' "an error of an earlier life"
has "$(printf '%s\n' "$said" | grep -E '^(error|warning|note):' | grep -n old-error)" '^[2-9]:note: ' "and is told last"

# F7: a guest that is paused.
said=$(in_dom0 'xenstore-rm /local/domain/0/error; xl pause $g; look mydevice; xl unpause $g')
first "$said" domain-paused "domain $guest, where its frontend is, is paused" "a paused guest"
has "$said" "^    xl unpause $guest$" "it says how the guest goes on"

# A frontend that never notifies: the reader in dom0 sleeps, and bytes are there.
in_domU 'insmod /root/mydevicefront.ko'
in_dom0 'until_ states "4 4"; (timeout 100 cat /dev/mydevice$g.0 >/tmp/got) >/dev/null 2>&1 & sleep 2'
well "$(in_dom0 'look mydevice')" "a reader that waits for bytes that are not there"
in_domU 'echo hello >/dev/mydevice0'
said=$(in_dom0 'look mydevice')
first "$said" lost-wakeup 'process [0-9]+ \(cat\) sleeps in a read, and 6 bytes are there to read: prod 6 cons 0 prod_event 1' "a lost wake-up"
in_dom0 'kill $(pidof cat)'

# An ordinary file in the device's place; a module in the wrong domain.
in_domU 'echo mydevice-0 >$front/unbind; rmmod mydevicefront; echo x >/dev/mydevice0'
said=$(in_domU 'echo -- 1; look mydevice; rm /dev/mydevice0; insmod /tmp/mydevicefront.ko')
finds "$(part 1 "$said")" not-a-device '/dev/mydevice0 is an ordinary file' "a file in the device's place"
"$lab" put dom0 "$top/$stage/mydevicefront.ko" /tmp
said=$(in_dom0 'insmod /tmp/mydevicefront.ko; until_ states "4 4"; echo -- 1; look mydevice; rmmod mydevicefront; echo -- 2; look mydevice')
finds "$(part 1 "$said")" wrong-domain 'mydevicefront is loaded in this domain, 0' "a frontend's module in dom0"
well "$(part 2 "$said")" "without it"

# -- kernels ----------------------------------------------------------------------------------------

# F4: a backend of another type whose probe does not return; the device is activated again meanwhile.
said=$(in_dom0 'insmod /root/hang.ko; device hang; sleep 1; (sh /tmp/deactivate.sh $g; sh /tmp/activate.sh $g) >/dev/null 2>&1
	echo -- 1; look mydevice; echo 1 >/sys/module/hang/parameters/go; sleep 1; no_device hang; rmmod hang; until_ states "4 4"
	echo -- 2; look mydevice')
first "$(part 1 "$said")" xenwatch-blocked 'does not come back from hang_probe.* \[hang\]' "xenwatch is blocked"
lacks "$(part 1 "$said")" 'xenstore-write|bind$|activate' "xenwatch is blocked: nothing is to be written or bound"
well "$(part 2 "$said")" "xenwatch is back"

# The same in the guest, in a call that nobody sees on the stack. Who gives back a watch then
# waits for as long as xenwatch does, and is no more to be ended than that.
in_domU 'insmod /root/doze.ko'
in_dom0 'device doze; sleep 1; xenstore-write /local/domain/0/backend/doze/$g/0/state 2'
said=$(LAB_TIMEOUT=60 in_domU 'sleep 1; echo -- 1; look mydevice; echo 1 >/sys/module/doze/parameters/go; sleep 2; echo -- 2; look mydevice; rmmod doze')
first "$(part 1 "$said")" xenwatch-blocked 'does not come back from' "xenwatch is blocked in the guest"
well "$(part 2 "$said")" "xenwatch is back in the guest"
in_dom0 'no_device doze'

# The guest's kernel says more than it should, and its xenwatch dies.
said=$(in_domU 'echo "<1>kernel BUG at a/file.c:1!" >/dev/kmsg; look mydevice')
well "$said" "a process may write to the log what it likes"
in_domU 'insmod /root/trap.ko'
in_dom0 'device trap'
said=$(in_domU 'sleep 1; XBDOCTOR_WHERE=lab look mydevice')
first "$said" kernel-bug 'kernel BUG at .*trap.c.* at .*trap_probe' "a BUG in the guest"
finds "$said" xenwatch-dead 'the thread xenwatch is gone' "a BUG in the guest"
has "$said" "^    on the lab's host: make lab-reset$" "in the lab it is made again"
has "$(in_domU 'look mydevice')" "^    in domain 0: xl destroy $guest" "on a host the guest is"

# F6: the guest dies while the process that is its backend is stopped.
"$lab" reset >/dev/null 2>&1 || bail_out "the lab cannot be reset"
make -s -C "$top/$stage" load BACK=user WHERE=lab >"$work/load.log" 2>&1 || { cat "$work/load.log"; bail_out "no process can be the backend"; }
"$lab" put dom0 "$work/names.sh" /tmp && "$lab" put dom0 "$top/.build/tools/xbdoctor" /root
said=$(in_dom0 'P=$(pidof mydevicepeer); kill -STOP $P; xl destroy $g; sleep 1
	echo -- 1; look mydevice; xenstore-rm -t $B
	echo -- 2; look mydevice; kill -CONT $P; sleep 2
	echo -- 3; look mydevice')
for i in 1 2; do
	first "$(part $i "$said")" domain-dying "domain $guest is dead and cannot go" "a dead guest, $i"
	has "$(part $i "$said")" '^    kill -CONT [0-9]+ .*mydevicepeer.* is stopped, with [0-9]+ pages' "a dead guest, $i: it says who holds it"
done
finds "$(part 1 "$said")" stale-nodes "domain $guest, is gone" "and what it left"
lacks "$(part 3 "$said")" 'domain-dying' "the process goes on, and the guest is gone"
"$lab" stop >/dev/null 2>&1

done_testing

#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# xbdoctor finds each fault that it knows, and finds the device healthy when the fault is mended.
# The faults are made in the lab. xbdoctor is built with the sanitizers, so that an error in its C
# fails the test. With them it starts slowly, so only CHECK=long shows it the faults that dom0 sees.
# Otherwise that is for the ordinary program (/root/xbdoctor), which also says that all is well again.
#
# The faults here are those of the two directories and of what the drivers make of them. The faults
# elsewhere (limits, kernels, processes, domains) are in doctor-field.t.


top=$(cd "$(dirname "$0")/../../.." && pwd -P)
lab=$top/common/lab/lab
work=$top/.build/tests/doctor
doctor=$work/xbdoctor
export LAB_TIMEOUT="${LAB_TIMEOUT:-300}"
. "$top/common/tests/lib/tap.sh"
. "$top/common/tests/lib/platform.sh"

in_dom0() { "$lab" run dom0 ". /tmp/faults.sh; $1" </dev/null; }
in_domU() { "$lab" run domU "$1" </dev/null; }

build() {
	mkdir -p "$work"
	make -s -C "$top/common/tools" programs || return
	gcc -std=gnu11 -D_GNU_SOURCE -DVERSION='"test"' -O1 -g -Wall -Wextra -Werror \
		-fsanitize=address,undefined -fno-sanitize-recover=all -static-libasan -static-libubsan \
		-o "$doctor" "$top/common/tools/xbdoctor.c" "$top/common/tools/xenbus.c" \
		"$top"/common/tools/doctor/*.c -lxenstore
}

# Nothing here is about domains that do not run, or ports; the programs that know of them
# take longer here than all the rest.
quick() {
	printf '#!/bin/sh\nexit 0\n' >"$work/xl"
	chmod +x "$work/xl" && cp "$work/xl" "$work/lsevtchn" &&
		in_dom0 'mkdir -p /tmp/quick' && "$lab" put dom0 "$work/xl" "$work/lsevtchn" /tmp/quick
}

# What dom0 needs for the faults: names for the directories, and a few functions.
faults_sh() {
	cat <<-FAULTS
		g=$guest
		h=/local/domain/$guest/device F=/local/domain/$guest/device/mydevice/0
		b=/local/domain/0/backend B=/local/domain/0/backend/mydevice/$guest/0
		back=/sys/bus/xen-backend/drivers/mydeviceback
		PATH=/tmp/quick:\$PATH
	FAULTS
	cat <<-'FAULTS'
		# until_states WANTED: a restarted end is followed, which takes a moment.
		until_states() {
			for try in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
				[ "$(xenstore-read $F/state $B/state 2>&1 | paste -sd ' ')" != "$1" ] || return
				sleep 0.5
			done
			echo "the states are not $1"
		}
		# Both kernels notice that the nodes are gone, and then that there are new ones.
		again() {
			xenstore-rm -t $F
			xenstore-rm -t $B
			sleep 2
			sh /tmp/activate.sh $g
		}
		# toy TYPE N FRONT-STATE BACK-STATE: a device by hand; kernels ignore one that
		# does not begin with 1, and have no driver for other types than their own.
		toy() {
			f=$h/$1/$2 k=$b/$1/$g/$2
			xenstore-write $f "" $k ""
			xenstore-chmod $f n$g r0
			xenstore-chmod $k n0 r$g
			xenstore-write $f/backend $k $f/backend-id 0 $f/state $3 \
				$k/frontend $f $k/frontend-id $g $k/online 1 $k/state $4
		}
		driver_domain() {
			f=/local/domain/0/device/toy/0 k=/local/domain/$g/backend/toy/0/0
			xenstore-write $f "" $k ""
			xenstore-chmod $f n0 b$g
			xenstore-chmod $k n$g r0
			xenstore-write $f/backend $k $f/backend-id $g $f/state 4 \
				$k/frontend $f $k/frontend-id 0 $k/online 1 $k/state 4
		}
		no_toy() {
			xenstore-rm -t $h/$1/$2
			xenstore-rm -t $b/$1/$g/$2
		}
	FAULTS
}

# judge TEXT ANCHOR PATTERN DESCRIPTION: a line of the text is that finding, the
# program ended with 1, and nothing but findings, advice and notes was said.
judge() {
	if ! printf '%s\n' "$1" | grep -E "^(error|warning): .*$3.* \[docs/troubleshooting\.md#$2\]\$" >/dev/null; then
		fail "$4: $2" "no finding $2 with $3 in:" "$1"
	elif ! printf '%s\n' "$1" | grep -qx 'status 1'; then
		fail "$4: $2" "the exit status is not 1:" "$1"
	elif printf '%s\n' "$1" | grep -vE '^((ok|error|warning|note): |    |status )' | grep .; then
		fail "$4: $2" "something else is said:" "$1"
	else
		pass "$4: $2"
	fi
}

# healthy_in DOMAIN DESCRIPTION
healthy_in() {
	said=$("in_$1" '/root/xbdoctor --wait 1 mydevice 2>&1; echo status $?')
	has "$said" '^status 0$' "$2: healthy in $1"
}

# settles MEND: what waits until the device is Connected again, if that mend changes its states.
# After others xbdoctor itself would say that it is not.
settles() {
	case $1 in *again* | *bind* | *insmod* | *state* | *sleep*) echo "; until_states '4 4'" ;; esac
}

# fault ANCHOR PATTERN MAKE MEND [DEVICE]: in dom0, and dom0 looks. In one go, because
# the way into a domain takes longer than a look.
case ${CHECK-} in long) sees=/tmp/xbdoctor ;; *) sees=/root/xbdoctor ;; esac
fault() {
	said=$(in_dom0 "$3
		$sees --wait 1 ${5-mydevice} 2>&1; echo status \$?
		echo mended; $4$(settles "$4")
		/root/xbdoctor --wait 1 mydevice 2>&1; echo status \$?")
	judge "$(printf '%s\n' "$said" | sed '/^mended$/,$d')" "$1" "$2" "$3"
	has "$(printf '%s\n' "$said" | sed '1,/^mended$/d')" '^status 0$' "$4: healthy in dom0"
}

# The same, and the domU looks.
domU_sees() {
	in_dom0 "$3"
	judge "$(in_domU "/tmp/xbdoctor --wait 1 ${5-mydevice} 2>&1; echo status \$?")" "$1" "$2" "$3, seen from the domU"
	in_dom0 "$4$(settles "$4")"
	healthy_in domU "$4"
}

# also ANCHOR PATTERN MAKE [DEVICE]: a finding of a fault that stays for the moment
also() {
	judge "$(in_dom0 "$3; /tmp/xbdoctor --wait 1 ${4-mydevice} 2>&1; echo status \$?")" "$1" "$2" "$3"
}

# -- without Xen -------------------------------------------------------------

ok "it builds without a warning, with the sanitizers" build

# doctor_says STATUS PATTERN ARGUMENT...: on the host
doctor_says() {
	status=$1 text=$2
	shift 2
	ok "xbdoctor $*: status $status, and it says so" says "$status" "$text" "$doctor" "$@"
}

doctor_says 0 '^usage: xbdoctor' --help
doctor_says 0 '^xbdoctor test$' --version
doctor_says 64 "unrecognized option '--what'" --what
doctor_says 64 "0 to 3600 seconds, not '-1'" --wait -1
doctor_says 64 "0 to 3600 seconds, not '3601'" --wait=3601
doctor_says 64 "0 to 3600 seconds, not ''" --wait ''
doctor_says 64 "requires an argument" --wait
doctor_says 64 "'a b' is not a device" 'a b'
doctor_says 64 "'/local/domain/0' is not a device" /local/domain/0
doctor_says 64 "'' is not a device" ''
if [ ! -e /proc/xen/capabilities ] && [ ! -e /sys/hypervisor/type ]; then
	doctor_says 69 'does not run on Xen' mydevice
fi

# -- every stage's device is healthy, and so is the lab's network interface ---

"$lab" start || bail_out "the lab does not start"
guest=$("$lab" run dom0 'xl domid domU1' </dev/null) || bail_out "dom0 does not answer"
faults_sh >"$work/faults.sh"
libm=$(ldd "$doctor" | awk '$1 == "libm.so.6" { print $3 }')	# the sanitizers', and no other program's there
"$lab" put dom0 "$doctor" "$work/faults.sh" "$top/03-shared-memory/activate.sh" "$top/03-shared-memory/deactivate.sh" /tmp && "$lab" put domU "$doctor" /tmp &&
	for domain in dom0 domU; do
		"$lab" put $domain "$libm" "/lib/$gnu" && "$lab" put $domain "$top/.build/tools/xbdoctor" /root || break
	done &&
	quick && in_dom0 '/tmp/xbdoctor --version' >/dev/null || bail_out "xbdoctor cannot be copied to the lab"

for stage in 01-hello-probe 02-event-channels 03-shared-memory; do
	make -s -C "$top/$stage" load WHERE=lab >"$work/load.log" 2>&1 ||
		{ cat "$work/load.log"; bail_out "$stage cannot be loaded"; }
	for domain in dom0 domU; do
		said=$("in_$domain" '/tmp/xbdoctor 2>&1; echo status $?')
		has "$said" '^status 0$' "$stage is healthy in $domain"
		[ $domain = dom0 ] && number=$guest-0 || number=0	# as its kernel calls it
		has "$said" "^ok: mydevice-$number: both ends are Connected" "$stage: $domain sees the device"
		has "$said" "^ok: vif-$number: both ends are Connected" "$stage: $domain sees the network interface"
	done
done
make -s -C "$top/03-shared-memory" load FRONT=user BACK=user WHERE=lab >"$work/load.log" 2>&1 ||
	{ cat "$work/load.log"; bail_out "no process can be the ends"; }
healthy_in dom0 "a process at each end"
healthy_in domU "a process at each end"
make -s -C "$top/03-shared-memory" load WHERE=lab >/dev/null 2>&1 || bail_out "the modules cannot be loaded"
"$lab" put dom0 "$top/03-shared-memory/mydeviceback.ko" /tmp && "$lab" put domU "$top/03-shared-memory/mydevicefront.ko" /tmp
is "$(in_dom0 '/tmp/xbdoctor vif-$g-0 $h/vif/0 $b/vif/$g/0/state')" "ok: vif-$guest-0: both ends are Connected" \
	"a device that is named three times is looked at once"
ok "all of a domain's devices are healthy" in_dom0 '/tmp/xbdoctor $g'

# -- nodes, values and permissions, in dom0 ------------------------------------

fault no-device 'toy: there is no such device' true true toy
fault no-device 'toy-1-0: there is no such device' true true 'toy-1-0 mydevice'
fault half-device "backend's directory is missing" 'xenstore-rm $B' again
fault half-device "frontend's directory is missing" 'xenstore-rm $F' again
fault node-missing 'frontend has no node backend:' 'xenstore-rm $F/backend' 'xenstore-write $F/backend $B'
fault node-missing 'frontend has no node backend-id:' 'xenstore-rm $F/backend-id' 'xenstore-write $F/backend-id 0'
fault node-missing 'backend has no node frontend:' 'xenstore-rm $B/frontend' 'xenstore-write $B/frontend $F'
fault node-missing 'backend has no node frontend-id:' 'xenstore-rm $B/frontend-id' 'xenstore-write $B/frontend-id $g'
fault node-missing 'frontend has no node state:' 'xenstore-rm $F/state' again
fault node-missing 'backend has no node state:' 'xenstore-rm $B/state' again
fault id-mismatch "frontend's backend-id is 5, but its backend is in domain 0" \
	'xenstore-write $F/backend-id 5' 'xenstore-write $F/backend-id 0'
fault id-mismatch "backend's frontend-id is 0, but" 'xenstore-write $B/frontend-id 0' 'xenstore-write $B/frontend-id $g'
fault pointer-mismatch "frontend's node backend is \"/local/domain/0/backend/mydevice/$guest/5\"" \
	'xenstore-write $F/backend $b/mydevice/$g/5' 'xenstore-write $F/backend $B'
fault pointer-mismatch "backend's node frontend is \"/local/domain/$guest/device/mydevice/9\"" \
	'xenstore-write $B/frontend $h/mydevice/9' 'xenstore-write $B/frontend $F'
fault wrong-owner "frontend's directory belongs to domain 0" 'xenstore-chmod $F n0 r$g' 'xenstore-chmod $F n$g r0'
fault wrong-owner "backend's state belongs to domain $guest" 'xenstore-chmod $B/state n$g r0' 'xenstore-chmod $B/state n0 r$g'
fault peer-can-write "domain $guest can write in the backend's directory .*the first is the directory" \
	'xenstore-chmod $B n0 b$g' 'xenstore-chmod $B n0 r$g'
fault peer-can-write "domain $guest can write in the backend's directory .*the first is online" \
	'xenstore-chmod $B/online b0' 'xenstore-chmod $B/online n0 r$g'
fault peer-cannot-read "backend's directory is not for domain $guest" 'xenstore-chmod $B n0' 'xenstore-chmod $B n0 r$g'
fault peer-cannot-read "backend's state is not for domain $guest" 'xenstore-chmod $B/state n0' again
fault peer-cannot-read "frontend's directory is not for domain 0" 'xenstore-chmod $F n$g' 'xenstore-chmod $F n$g r0'
fault bad-number 'ring-ref is no number: "abc"' \
	'r=$(xenstore-read $F/ring-ref); echo $r >/tmp/ref; xenstore-write $F/ring-ref abc' 'xenstore-write $F/ring-ref $(cat /tmp/ref)'
fault bad-number 'max-ring-page-order is no number: "8x"' \
	'xenstore-write $B/max-ring-page-order 8x' 'xenstore-write $B/max-ring-page-order 8'
fault bad-number 'frontend-id is no number: ""' 'xenstore-write $B/frontend-id ""' 'xenstore-write $B/frontend-id $g'
fault bad-number 'online is no number: "yes"' 'xenstore-write $B/online yes' 'xenstore-write $B/online 1'
fault bad-number 'feature-x is no number: "1-", and so are 1 more' 'xenstore-write $F/feature-x 1- $F/feature-y 1.0' 'xenstore-rm $F/feature-x $F/feature-y'
fault bad-state "frontend's state is no state: \"9\"" 'xenstore-write $F/state 9' 'xenstore-write $F/state 4'
fault bad-state "backend's state is no state: \"4x\"" 'xenstore-write $B/state 4x' 'xenstore-write $B/state 4'
fault bad-state "frontend's state is no state: \"0\"" 'toy toy 0 0 2' 'no_toy toy 0' toy
fault error-node "frontend's driver wrote an error: \"22 a reason\" .EINVAL, Invalid argument." \
	'xenstore-write /local/domain/$g/error/device/mydevice/0/error "22 a reason"' 'xenstore-rm /local/domain/$g/error/device'
fault error-node "backend's driver wrote an error: \"22 a reason\" .EINVAL, Invalid argument." \
	'xenstore-write /local/domain/0/error/backend/mydevice/$g/0/error "22 a reason"' 'xenstore-rm /local/domain/0/error'
fault not-online "online is 0" 'xenstore-write $B/online 0' 'xenstore-write $B/online 1'
fault not-online "online is missing" 'xenstore-rm $B/online' 'xenstore-write $B/online 1'

# -- what is published ---------------------------------------------------------

fault not-published 'has a node ring-ref, but no event-channel' \
	'xenstore-read $F/event-channel >/tmp/port; xenstore-rm $F/event-channel' 'xenstore-write $F/event-channel $(cat /tmp/port)'
fault not-published 'frontend is Connected and has no node version:' 'xenstore-read $F/version >/tmp/version; xenstore-rm $F/version' 'xenstore-write $F/version $(cat /tmp/version)'
fault not-published 'backend is Connected and has no node versions:' 'xenstore-read $B/versions >/tmp/versions; xenstore-rm $B/versions' 'xenstore-write $B/versions $(cat /tmp/versions)'
fault bad-version 'chose version "9", and the backend offers "[0-9]+"' 'xenstore-write $F/version 9' 'xenstore-write $F/version $(cat /tmp/version)'
fault bad-version 'chose version "[0-9]+", and the backend offers "10,11"' 'xenstore-write $B/versions 10,11' 'xenstore-write $B/versions $(cat /tmp/versions)'
fault bad-order 'in-ring-page-order is 9, and the backend maps at most 8' \
	'xenstore-write $F/in-ring-page-order 9' 'xenstore-write $F/in-ring-page-order 6'
fault bad-order 'out-ring-page-order is 6, and the backend maps at most 5' \
	'xenstore-write $B/max-ring-page-order 5' 'xenstore-write $B/max-ring-page-order 8'

# Two ends of a stage that are not Connected, and of which no driver takes notice.
half_way() {
	in_dom0 "toy toy 0 3 2; xenstore-write \$f/version 3 \$k/versions 3 \$f/event-channel 3 $1
		XBDOCTOR_TYPE=toy $sees -w 0 toy 2>&1; no_toy toy 0"
}
has "$(half_way '$f/ring-ref 8')" 'different stages: the frontend has rings, and the backend knows of none .*#mixed-stages' \
	"rings at one end: mixed-stages"
has "$(half_way '$f/ring-ref 8 $k/max-ring-page-order 8 $f/in-ring-page-order 6')" \
	'has a node ring-ref, but no out-ring-page-order .*#not-published' "half of the sizes: not-published"
said=$(in_dom0 'xenstore-rm $B/max-ring-page-order $F/out-ring-page-order $F/in-ring-page-order
	/root/xbdoctor -w 1 mydevice 2>&1; echo status $?
	xenstore-write $B/max-ring-page-order 8 $F/out-ring-page-order 6 $F/in-ring-page-order 6')
has "$said" '^status 0$' "two ends of an early step, which knows no sizes, are well"

# An interface and a disk by hand: healthy as their drivers leave them.
said=$(in_dom0 'toy vif 7 4 4
	xenstore-write $h/vif/7/queue-0/tx-ring-ref 8 $h/vif/7/queue-0/rx-ring-ref 9 $h/vif/7/queue-0/event-channel-tx 3 \
		$h/vif/7/queue-0/event-channel-rx 4
	toy vbd 51712 4 4
	xenstore-write $h/vbd/51712/ring-ref0 8 $h/vbd/51712/ring-ref1 9 $h/vbd/51712/ring-page-order 1 $h/vbd/51712/event-channel 5 \
		$b/vbd/$g/51712/max-ring-page-order 4
	/tmp/xbdoctor; echo status $?')
has "$said" '^status 0$' "an interface with queues and a disk with a large ring are healthy"
has "$said" "^ok: vbd-$guest-51712: both ends" "the disk was looked at"
in_dom0 'no_toy vif 7; no_toy vbd 51712'
fault not-published 'no node rx-ring-ref:' 'toy vif 7 4 4; xenstore-write $f/tx-ring-ref 8 $f/event-channel 3' 'no_toy vif 7' vif-1-7
fault not-published 'a node event-channel-tx, but no event-channel-rx' \
	'toy vif 7 4 4; xenstore-write $f/tx-ring-ref 8 $f/rx-ring-ref 9 $f/event-channel-tx 3' 'no_toy vif 7' vif-1-7
fault not-published 'frontend is Initialised and has no node event-channel:' \
	'toy vbd 51712 3 2; xenstore-write $f/ring-ref 8' 'no_toy vbd 51712' vbd
fault bad-order 'ring-page-order is 5, and the backend maps at most 4' \
	'toy vbd 51712 4 4; xenstore-write $f/ring-ref0 8 $f/ring-page-order 5 $f/event-channel 3 $k/max-ring-page-order 4' 'no_toy vbd 51712' vbd
fault hotplug 'hotplug-status is not "connected"' \
	'toy vif 7 4 2; xenstore-write $f/tx-ring-ref 8 $f/rx-ring-ref 9 $f/event-channel 3' 'no_toy vif 7' vif-1-7
fault hotplug 'there is no physical-device' \
	'toy vbd 51712 3 2; xenstore-write $f/ring-ref 8 $f/event-channel 3' 'no_toy vbd 51712' vbd
fault hotplug 'the hotplug script failed: "no such file"' \
	'toy vbd 51712 1 2; xenstore-write $k/hotplug-error "no such file"' 'no_toy vbd 51712' vbd

# -- domains that are gone -----------------------------------------------------

fault stale-nodes 'mydevice-77-0: its guest, domain 77, is gone' \
	'xenstore-write $b/mydevice/77/0/frontend /local/domain/77/device/mydevice/0 $b/mydevice/77/0/frontend-id 77 $b/mydevice/77/0/state 4' \
	'xenstore-rm -t $b/mydevice/77/0'
fault backend-gone 'the domain of its backend, 88, is gone' \
	'xenstore-write $h/toy/4/backend /local/domain/88/backend/toy/$g/4 $h/toy/4/backend-id 88 $h/toy/4/state 4' 'xenstore-rm -t $h/toy/4' toy
# A driver domain that could write in dom0's frontend; dom0 can write anywhere.
fault peer-can-write "domain $guest can write in the frontend's directory" 'driver_domain' \
	'xenstore-rm -t /local/domain/0/device/toy/0; xenstore-rm -t /local/domain/$g/backend/toy/0/0' toy

# -- states and drivers --------------------------------------------------------

# All pairs: what xbdoctor says is stuck, and on whom. A line per state of the
# frontend from Initialising to Closed, then Reconfigured; the backend's go across.
cat >"$work/wanted" <<-'TABLE'
	B:never-probed F:stuck-initwait F:stuck-initwait B:stuck-closed F:stuck-closing B:stuck-closed F:stuck-reconfiguring
	B:stuck-initialising F:stuck-initwait F:stuck-initwait F:stuck-initwait F:stuck-closing F:stuck-closing F:stuck-reconfiguring
	B:stuck-initialising B:stuck-initialised B:stuck-initialised F:stuck-connected F:stuck-closing F:stuck-closing F:stuck-reconfiguring
	B:stuck-initialising B:stuck-initialised B:stuck-initialised healthy F:stuck-closing F:stuck-closing F:stuck-reconfiguring
	B:stuck-closing B:stuck-closing B:stuck-closing B:stuck-closing F:stuck-closing F:stuck-closing F:stuck-reconfiguring
	B:stuck-initialising F:stuck-closed B:stuck-closing B:stuck-closing B:stuck-closing closed F:stuck-reconfiguring
	B:stuck-reconfiguring B:stuck-reconfiguring B:stuck-reconfiguring B:stuck-reconfiguring B:stuck-reconfiguring B:stuck-reconfiguring F:stuck-reconfiguring
TABLE
in_dom0 'toy toy 0 2 2
	for i in 1 2 3 4 5 6 8; do
		for j in 1 2 3 4 5 6 8; do
			xenstore-write $f/state $i $k/state $j
			'"$sees"' -w 0 toy | awk "
				/^ok/ { print \"healthy\" }
				/#closed\]/ { print \"closed\" }
				/: the frontend is .*: the backend, in domain 0, .*#/ { sub(/.*#/, \"B:\"); sub(/\].*/, \"\"); print }
				/: the frontend is .*: the frontend, in domain $g, .*#/ { sub(/.*#/, \"F:\"); sub(/\].*/, \"\"); print }"
		done | paste -sd " "
	done; no_toy toy 0' >"$work/pairs"
ok "all pairs of states" diff "$work/wanted" "$work/pairs"

fault never-probed "the frontend is Initialising, the backend Initialising" 'toy toy 0 1 1' 'no_toy toy 0' toy
fault no-driver 'no driver for the backend is loaded here' 'toy toy 0 1 1' 'no_toy toy 0' toy
fault not-registered 'has not taken notice of the backend' 'toy toy 0 3 2' 'no_toy toy 0' toy
fault restless 'its states change all the time' \
	'toy toy 0 1 2; (while xenstore-exists $k/state; do xenstore-write $f/state 1; sleep 0.2; xenstore-write $f/state 3; sleep 0.3; done) >/dev/null 2>&1 &' \
	'xenstore-rm $b/toy; sleep 2; xenstore-rm -t $h/toy/0' '--wait 3 toy'
said=$(in_dom0 'toy toy 0 1 1; (sleep 2; xenstore-write $f/state 4 $k/state 4) >/dev/null 2>&1 & /tmp/xbdoctor --wait 10 toy; echo status $?; no_toy toy 0 2>/dev/null; wait')
has "$said" '^status 0$' "a device that comes to Connected while it is watched is healthy"
in_dom0 'no_toy toy 0 2>/dev/null'

fault state-overwritten 'the backend is Initialised, but its driver went to Connected' 'xenstore-write $B/state 3' 'xenstore-write $B/state 4'
fault stuck-initialised 'the backend, in domain 0, has to take what is published' 'xenstore-write $B/state 3' 'xenstore-write $B/state 4'
also closed 'both ends are Closed' 'echo mydevice-$g-0 >$back/unbind; until_states "6 6"'
fault not-bound 'mydeviceback is loaded, but not bound to the backend' true 'echo mydevice-$g-0 >$back/bind'
fault no-driver 'no driver for the backend is loaded here' \
	'echo mydevice-$g-0 >$back/unbind; until_states "6 6"; rmmod mydeviceback' 'insmod /tmp/mydeviceback.ko'

# Neither driver is loaded; then they come one by one.
in_domU 'echo mydevice-0 >/sys/bus/xen/drivers/mydevicefront/unbind; rmmod mydevicefront'
in_dom0 'xenstore-rm $F; xenstore-rm $B; sleep 2; rmmod mydeviceback; sh /tmp/activate.sh $g'
also never-probed 'the backend, in domain 0, has to be probed' true
also no-driver 'no driver for the backend is loaded here' true
has "$(in_dom0 '/tmp/xbdoctor mydevice')" '^    insmod mydeviceback.ko$' "it says how the backend is loaded"
has "$(in_dom0 'XBDOCTOR_WHERE=lab XBDOCTOR_STAGE=02-event-channels /tmp/xbdoctor mydevice')" \
	"^    on the lab's host: make -C 02-event-channels load$" "and by make, if make asks"
in_dom0 'insmod /tmp/mydeviceback.ko; until_states "1 2"'
also stuck-initwait "the frontend, in domain $guest, has to publish" true
has "$(in_dom0 '/tmp/xbdoctor -w 0 mydevice')" '^note: not looked at: whether a driver is bound in another domain' \
	"dom0 cannot see the domU's drivers, and says so"
judge "$(in_domU '/tmp/xbdoctor -w 1 mydevice 2>&1; echo status $?')" no-driver 'for the frontend is loaded here' "domU, without a driver"
also stuck-closing "the frontend, in domain $guest, has to end" 'xenstore-write $B/online 0 $B/state 5'
in_dom0 'xenstore-write $B/online 1 $B/state 2'
in_domU 'insmod /tmp/mydevicefront.ko'
in_dom0 'until_states "4 4"'
healthy_in dom0 "with both drivers"
healthy_in domU "with both drivers"

# The frontend leaves; the backend is restarted meanwhile.
in_domU 'echo mydevice-0 >/sys/bus/xen/drivers/mydevicefront/unbind'
also closed 'both ends are Closed' 'until_states "6 6"'
judge "$(in_domU '/tmp/xbdoctor -w 1 mydevice 2>&1; echo status $?')" not-bound 'mydevicefront is loaded, but not bound to the frontend' "domU, unbound"
also stuck-closed "the frontend, in domain $guest, has to begin again" \
	'echo mydevice-$g-0 >$back/unbind; echo mydevice-$g-0 >$back/bind; until_states "6 2"'
in_domU 'echo mydevice-0 >/sys/bus/xen/drivers/mydevicefront/bind'
in_dom0 'until_states "4 4"'
healthy_in dom0 "bound again"
healthy_in domU "bound again"

# -- faults that the domU sees ---------------------------------------------------

domU_sees node-missing 'frontend has no node backend-id:' 'xenstore-rm $F/backend-id' 'xenstore-write $F/backend-id 0'
domU_sees id-mismatch "backend's frontend-id is 9" 'xenstore-write $B/frontend-id 9' 'xenstore-write $B/frontend-id $g'
domU_sees pointer-mismatch "backend's node frontend is \"/none\"" 'xenstore-write $B/frontend /none' 'xenstore-write $B/frontend $F'
domU_sees wrong-owner "frontend's directory belongs to domain 0" 'xenstore-chmod $F n0 r$g' 'xenstore-chmod $F n$g r0'
domU_sees peer-can-write "domain $guest can write in the backend's directory" 'xenstore-chmod $B/state b0' 'xenstore-chmod $B/state n0 r$g'
domU_sees peer-cannot-read "domain $guest may not read the backend's directory" \
	'xenstore-chmod -r $B n0' again
domU_sees peer-cannot-read "domain $guest may not read the backend's node state" \
	'xenstore-chmod $B/state n0' again
domU_sees bad-number 'event-channel is no number: "x"' \
	'xenstore-read $F/event-channel >/tmp/port; xenstore-write $F/event-channel x' 'xenstore-write $F/event-channel $(cat /tmp/port)'
domU_sees state-overwritten 'the frontend is Initialised, but its driver went to Connected' \
	'xenstore-write $F/state 3' 'xenstore-write $F/state 4'
domU_sees error-node "frontend's driver wrote an error: \"1 x\" .EPERM" \
	'xenstore-write /local/domain/$g/error/device/mydevice/0/error "1 x"' 'xenstore-rm /local/domain/$g/error/device'
has "$(in_domU '/tmp/xbdoctor')" '^note: not looked at: error nodes of other domains' "the domU may not read dom0's error nodes, and says so"
has "$(in_domU '/tmp/xbdoctor /local/domain/0/backend/vif/9/0')" '^error: /local/domain/0/backend/vif/9/0: there is no such device' \
	"the domU sees no other guest's device"

# -- what an error says, how old it is, and what helps ------------------------------

# Drivers' own words, as the error node of the backend has them: the section, what is said.
meanings() {
	cat <<-'MEANINGS'
		quota-watches|the limit of a domain's XenStore watches|7 adding watch on /local/domain/1/device/mydevice/0/state
		quota-watches|the limit of a domain's XenStore watches|7 xenbus_dev_probe on device/mydevice/0
		quota-watches|as oxenstored says it|22 adding watch on /local/domain/1/device/mydevice/0/state
		quota-transactions|as oxenstored says it|22 starting transaction
		quota-nodes|longer than XenStore takes|7 writing versions
		error-node|E2BIG, a limit of XenStore's|7 something
		maptrack-limit|grant status -7|7 mapping a ring's page by grant reference 776
		maptrack-limit|grant status -7|7 mapping in shared page 776 from domain 1
		maptrack-limit|grant status -7|28 mapping grant reference 779: grant status -7
		maptrack-limit|grant status -13|13 mapping a ring's page by grant reference 776
		maptrack-limit|grant status -13|13 mapping in shared page 776 from domain 1
		maptrack-limit|grant status -13|28 mapping grant reference 779: grant status -13
		error-node|Xen refused to map a page|mapping a ring: Invalid argument
		gntalloc-limit|the limit of the pages that gntalloc shares|sharing a ring: No space left on device
	MEANINGS
}

explained() {
	meanings | while IFS='|' read -r anchor words text; do
		said=$(in_dom0 "xenstore-write /local/domain/0/error/backend/mydevice/\$g/0/error \"$text\"; $sees -w 0 mydevice")
		printf '%s\n' "$said" | grep -F "\"$text\": " | grep -F "$words" | grep -F "#$anchor]" >/dev/null ||
			{ printf '%s\n' "$text: not $anchor with $words" "$said"; exit 1; }
	done && in_dom0 'xenstore-rm /local/domain/0/error'
}
ok "what drivers write is explained by what it means there" explained

# xl that says how full the backend's tables are: answers USED MAX
answers() { printf 'mkdir -p /tmp/answers; printf "%%s\\n" "#!/bin/sh" "echo \\"grant-table for remote d0 (v1)\\"" "echo \\"  1 frames (64 max), %s maptrack frames (%s max)\\"" >/tmp/answers/xl; chmod +x /tmp/answers/xl; PATH=/tmp/answers:$PATH' "$1" "$2"; }

# A limit that was met and is not any more: no other is to be raised, the driver is bound again.
E='/local/domain/0/error/backend/mydevice/$g/0/error'
said=$(in_dom0 "xenstore-write $E \"28 mapping grant reference 779: grant status -13\"; $(answers 1 1024); $sees -w 0 mydevice; xenstore-rm /local/domain/0/error")
has "$said" "^    cd /sys/bus/xen-backend/drivers/mydeviceback; echo mydevice-$guest-0 >unbind; echo mydevice-$guest-0 >bind\$" \
	"mappings are free again: the backend is bound again"
is "$(printf '%s\n' "$said" | grep -c gnttab_max)" 0 "mappings are free again: nothing is raised"
said=$(in_dom0 "xenstore-write $E \"28 mapping grant reference 779: grant status -13\"; $(answers 1024 1024); $sees -w 0 mydevice; xenstore-rm /local/domain/0/error")
has "$said" '^    gnttab_max_maptrack_frames=4096 on Xen' "all maptrack frames are in use: it says how to have more"
said=$(in_dom0 "xenstore-write $E 'mapping a ring: Invalid argument'; $(answers 1024 1024); $sees -w 0 mydevice; xenstore-rm /local/domain/0/error")
has "$said" 'mapping a ring: Invalid argument.*#maptrack-limit' "all maptrack frames are in use, and a process is told nothing"
said=$(in_dom0 "xenstore-write $E 'mapping a ring: Invalid argument'; $(answers 1 1024); $sees -w 0 mydevice; xenstore-rm /local/domain/0/error")
has "$said" 'mapping a ring: Invalid argument.*#error-node' "not all are, and it was refused all the same"
in_dom0 'xenstore-write /local/domain/$g/error/device/mydevice/0/error "7 xenbus_dev_probe on device/mydevice/0"'
said=$(in_domU '/tmp/xbdoctor -w 0 mydevice')
has "$said" '^    cd /sys/bus/xen/drivers/mydevicefront; echo mydevice-0 >unbind; echo mydevice-0 >bind$' \
	"watches are free again: the frontend is bound again"
is "$(printf '%s\n' "$said" | grep -c 'raises it')" 0 "watches are free again: nothing is raised"
said=$(in_dom0 "$sees -w 0 mydevice"'; xenstore-rm /local/domain/$g/error/device')
has "$said" "^    in domain $guest: cd /sys/bus/xen/drivers/mydevicefront; echo" "of a guest's watches dom0 cannot know: bind it again"
has "$said" '^    /usr/lib/xen-\*/bin/xenstore-control quota set watches 512 ' "of a guest's watches dom0 cannot know: how they are raised here"
is "$(in_dom0 '/usr/lib/xen-*/bin/xenstore-control quota set watches 512 && /usr/lib/xen-*/bin/xenstore-control quota; /usr/lib/xen-*/bin/xenstore-control quota set watches 128 >/dev/null' |
	sed -n 's/^watches *: *\([0-9]*\).*/\1/p')" 512 "which is a command that works"

# Both drivers are loaded, the nodes are written one by one, and the owner changed last: the
# error is of now, though all has been written after it.
said=$(in_dom0 'sh /tmp/deactivate.sh $g >/dev/null 2>&1; xenstore-rm /local/domain/$g/error/device 2>/dev/null; xenstore-rm /local/domain/0/error 2>/dev/null
	for pair in "$F/state 1" "$B/state 1" "$F/backend $B" "$F/backend-id 0" "$B/frontend $F" "$B/frontend-id $g" "$B/online 1"; do
		xenstore-write $pair; sleep 0.5
	done 2>&1
	xenstore-chmod -r $F n$g r0; xenstore-chmod -r $B n0 r$g; sleep 4; '"$sees"' --wait 1 mydevice 2>&1; echo status $?')
judge "$said" error-node "frontend's driver wrote an error: \"" "one by one, the owner last"
has "$said" "^    xenstore-rm -t /local/domain/$guest/device/mydevice/0; sleep 2" "it says how the device is activated again"
in_dom0 'again; until_states "4 4"; xenstore-rm /local/domain/$g/error/device'
healthy_in dom0 "activated again"

# An error of before the activation, and one after which the driver went on.
said=$(in_dom0 'xenstore-write '"$E"' "22 before"; again; until_states "4 4"; '"$sees"' -w 0 mydevice; xenstore-rm /local/domain/0/error')
has "$said" 'in an earlier life: "22 before"' "an error of before the activation is old"
said=$(in_dom0 'xenstore-write '"$E"' "22 between"; echo mydevice-$g-0 >$back/unbind; until_states "6 6"; echo mydevice-$g-0 >$back/bind; until_states "4 4"
	'"$sees"' -w 0 mydevice; xenstore-rm /local/domain/0/error')
has "$said" 'in an earlier life: "22 between"' "an error of before the driver was bound again is old"

# -- what a guest may write, and how it is shown ---------------------------------

said=$(in_dom0 'xenstore-write $F/backend "$(printf "a\033[31mb\rc\177")" $F/feature-x "$(head -c 2000 /dev/zero | tr "\0" y)"
	/tmp/xbdoctor mydevice 2>&1; xenstore-write $F/backend $B; xenstore-rm $F/feature-x')
has "$said" 'frontend.s node backend is "a\\e\[31mb\\rc\\x7f"' "control characters are shown, not sent to the terminal"
is "$(printf '%s' "$said" | tr -d '\12\40-\176' | wc -c)" 0 "no other byte than printable ones is printed"
has "$said" 'feature-x is no number: "y{100,180}\.\.\."' "a long value is cut"
said=$(in_dom0 'i=0; while [ $i -lt 30 ]; do
		set --; n=0; while [ $n -lt 50 ]; do set -- "$@" $F/many/$i-$n x; n=$((n + 1)); done
		xenstore-write "$@"; i=$((i + 1)); done
	/tmp/xbdoctor mydevice 2>&1; echo status $?; xenstore-rm $F/many')
has "$said" '^ok: mydevice' "a thousand and more nodes are no fault"
has "$said" '^note: not looked at: nodes beyond the first 1024' "it says that it did not look at all of them"
said=$(in_dom0 '/tmp/xbdoctor mydevice >/dev/full 2>/tmp/said; echo status $?; cat /tmp/said')
has "$said" '^status 74$' "a full disk is noticed"
said=$(in_dom0 'echo "nobody:*:65534:65534::/:/bin/sh" >>/etc/passwd; su nobody -c /tmp/xbdoctor 2>&1; echo status $?; sed -i /nobody/d /etc/passwd')
has "$said" '^status 77$' "XenStore is for root"

ok "dom0: all devices are healthy after all that" in_dom0 /tmp/xbdoctor
ok "domU: all devices are healthy after all that" in_domU /tmp/xbdoctor

# -- make doctor -------------------------------------------------------------------

said=$(make -C "$top/03-shared-memory" doctor WHERE=lab 2>&1)
is $? 0 "make doctor: status 0 when all is healthy"
has "$said" "^ok: mydevice-$guest-0: both ends are Connected" "make doctor: dom0 is asked"
has "$said" "^ok: mydevice-0: both ends are Connected" "make doctor: the domU is asked"
in_dom0 'xenstore-rm $B/online'
said=$(make -C "$top/03-shared-memory" doctor WHERE=lab 2>&1)
ok "make doctor: fails when there are findings" test $? -ne 0
has "$said" 'troubleshooting.md#not-online' "make doctor: shows the finding"

# On a host without a compiler the program that is there is taken.
parts=$(cd "$top" && printf '%s\n' common/parts) # what common/stage is made of
[ -d "$top/common/parts" ] || parts=''
# shellcheck disable=SC2086 # one word or none
mkdir -p "$work/host" && (cd "$top" && tar -cf - common/stage common/stage.mk $parts 03-shared-memory/Makefile .build/tools/xbdoctor) |
	tar -C "$work/host" -xf - && "$lab" put dom0 "$work/host" /root
said=$(in_dom0 'make -C /root/host/03-shared-memory doctor 2>&1; echo status $?')
has "$said" 'troubleshooting.md#not-online' "make doctor: on a host, too"
said=$(in_dom0 'rm -r /root/host/.build; make -C /root/host/03-shared-memory doctor 2>&1; rm -r /root/host')
has "$said" 'the compiler for them is missing' "make doctor: says what is missing"

make -s -C "$top/03-shared-memory" unload WHERE=lab >/dev/null 2>&1
said=$(make -C "$top/03-shared-memory" doctor WHERE=lab 2>&1)
has "$said" 'mydevice: there is no such device.*#no-device' "make doctor: says that there is no device"

done_testing

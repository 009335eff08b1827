#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The stages' targets work on a Xen host, which the lab's dom0 and domU play. The modules are built
# beforehand, because the domains have no compiler.

top=$(cd "$(dirname "$0")/../../.." && pwd -P)
lab=$top/common/lab/lab
work=$top/.build/tests/host.t
export LAB_TIMEOUT=300
. "$top/common/tests/lib/tap.sh"

in_dom0() { "$lab" run dom0 "$1" </dev/null; }
in_domU() { "$lab" run domU "$1" </dev/null; }

# What a reader would copy to the host: the stages and the few common files.
copy_to() {
	rm -rf "$work"
	mkdir -p "$work/tutorial"
	(cd "$top" && tar -cf - common/stage common/stage.mk common/parts 0*-*/Makefile 0*-*/*.sh 0*-*/*.ko) |
		tar -C "$work/tutorial" -xf -
	"$lab" put "$1" "$work/tutorial" /root
}

states() {
	in_dom0 "xenstore-read /local/domain/$guest/device/mydevice/0/state /local/domain/0/backend/mydevice/$guest/0/state | paste -sd ' '"
}

both_load() {
	dom0_says=$(in_dom0 "make -C /root/tutorial/$1 load DOMU=$2 2>&1")
	is $? 0 "$1: make load in dom0, for the guest $2"
	has "$dom0_says" "make -C $1 load WHERE=host" "$1: it ends with what to type in the guest"
	is "$(states)" "1 2" "$1: the backend waits in InitWait"
	domu_says=$(in_domU "make -C /root/tutorial/$1 load WHERE=host 2>&1")
	is $? 0 "$1: make load in the guest"
	has "$domu_says" 'mydevicefront mydevice-0: Connected' "$1: it shows that the device is Connected"
	is "$(states)" "4 4" "$1: both ends are Connected"
}

both_unload() {
	ok "$1: make unload in the guest" in_domU "make -C /root/tutorial/$1 unload WHERE=host"
	is "$(in_domU 'lsmod | grep ^mydevice')" "" "$1: the frontend is gone"
	ok "$1: make unload in dom0" in_dom0 "make -C /root/tutorial/$1 unload"
	is "$(in_dom0 'lsmod | grep ^mydevice; xenstore-ls -f | grep mydevice')" "" "$1: the backend and the nodes are gone"
}

refused() {
	says=$("in_$1" "$2 2>&1")
	status=$?
	[ $status -ne 0 ] && pass "$4: it fails" || fail "$4: it fails" "exit status 0; it said: $says"
	has "$says" "$3" "$4: and says why"
}

"$lab" start || bail_out "the lab does not start"
for stage in 01-hello-probe 02-event-channels 03-shared-memory; do
	make -s -C "$top/$stage" built WHERE=lab >/dev/null 2>&1 || bail_out "$stage does not build"
done
guest=$(in_dom0 'xl domid domU1') || bail_out "dom0 does not answer"
make -s -C "$top/01-hello-probe" unload >/dev/null 2>&1
copy_to dom0 || bail_out "nothing can be copied to dom0"
copy_to domU || bail_out "nothing can be copied to the domU"

refused dom0 'make -C /root/tutorial/01-hello-probe load' 'which guest' "no DOMU"
refused dom0 'make -C /root/tutorial/01-hello-probe load DOMU=nobody' "no guest 'nobody'" "a wrong DOMU"
refused dom0 'make -C /root/tutorial/01-hello-probe load DOMU=77' 'no domain 77' "a wrong domid"
is "$(in_dom0 'xenstore-ls -f | grep mydevice')" "" "no node is left by that"
make -s -C "$top/01-hello-probe" unload >/dev/null 2>&1

both_load 01-hello-probe domU1
both_unload 01-hello-probe
both_load 02-event-channels "$guest"
both_unload 02-event-channels
both_load 03-shared-memory domU1
in_domU 'echo from the guest >/dev/mydevice0'
is "$(in_dom0 "head -n 1 /dev/mydevice$guest.0")" "from the guest" "03-shared-memory: bytes flow"
ok "03-shared-memory: make load in dom0 again, under a frontend that stays" \
	in_dom0 "make -C /root/tutorial/03-shared-memory load DOMU=domU1"
ok "03-shared-memory: make load in the guest again" in_domU "make -C /root/tutorial/03-shared-memory load WHERE=host"
is "$(states)" "4 4" "03-shared-memory: both ends are Connected again"
ok "make activate in dom0: again" in_dom0 "make -C /root/tutorial/03-shared-memory activate DOMU=domU1"
in_dom0 "xenstore-rm /local/domain/0/backend/mydevice/$guest/0"
ok "make activate in dom0: of half a device" in_dom0 "make -C /root/tutorial/03-shared-memory activate DOMU=domU1"
ok "make activate in dom0: another device" in_dom0 "make -C /root/tutorial/03-shared-memory activate DOMU=$guest DEVICE=5"
ok "make deactivate in dom0" in_dom0 "make -C /root/tutorial/03-shared-memory deactivate DOMU=$guest DEVICE=5"
refused dom0 'make -C /root/tutorial/03-shared-memory deactivate' 'which guest' "make deactivate without DOMU"
refused domU 'make -C /root/tutorial/03-shared-memory activate WHERE=host' 'in dom0: type the command there' "make activate in the guest"
has "$(in_dom0 'make -C /root/tutorial/03-shared-memory status')" 'device 0 of domain 1: backend Connected, frontend Connected' "make status in dom0"
both_unload 03-shared-memory
in_dom0 'xenstore-write /local/domain/0/backend/mydevice/1/3/state 1; xenstore-write /local/domain/2/backend/mydevice/1/4/state 1'
has "$(in_dom0 'make -C /root/tutorial/03-shared-memory unload')" '^unloaded: no device is left, and no module of ours in dom0' "make unload of half devices"
is "$(in_dom0 'xenstore-ls -f | grep mydevice')" "" "which are gone"

if [ ! -e /proc/xen/capabilities ] && [ ! -e /sys/hypervisor/type ]; then
	ok "WHERE=host where there is no Xen is refused" sh -c \
		"! make -C $top/01-hello-probe unload WHERE=host 2>&1 | grep -v 'does not run on Xen' | grep unloaded"
fi

# The scripts by themselves: what they refuse, and that nothing is left then.
in_dom0 'mkdir -p /tmp/s' && "$lab" put dom0 "$top/01-hello-probe/activate.sh" "$top/01-hello-probe/deactivate.sh" /tmp/s
"$lab" put domU "$top/01-hello-probe/activate.sh" /tmp
before=$(in_dom0 'xenstore-ls -f')
refused dom0 '/tmp/s/activate.sh' "the domain's number is missing" "activate.sh without a domid"
refused dom0 '/tmp/s/activate.sh 99' 'there is no domain 99' "activate.sh for no domain"
refused dom0 '/tmp/s/activate.sh x1' "number is missing or wrong: 'x1'" "activate.sh for no number"
refused dom0 "/tmp/s/activate.sh $guest --device" "device's number is wrong" "activate.sh --device without a number"
refused dom0 "/tmp/s/activate.sh --backend 98 $guest" 'there is no domain 98' "activate.sh with no backend domain"
refused dom0 "/tmp/s/activate.sh --device 123456789 $guest" "mydevice-$guest-123456789, which has 20 characters" "activate.sh: a number that XenBus drops"
is "$(in_dom0 "cd /tmp/s
	for number in 00 01 -1 +1 ' 1' 0x1 1x 99999999999999999999 4294967296 ''; do
		for words in 'activate.sh --device' 'activate.sh --backend' 'deactivate.sh --device' 'deactivate.sh --backend'; do
			! ./\$words \"\$number\" $guest 2>/dev/null || echo \$words \$number
		done
	done")" "" "numbers that are none, or too large"
refused dom0 '/tmp/s/activate.sh --backend 1 1' 'different domains' "activate.sh for both ends in one domain"
in_dom0 'xenstore-write /local/domain/66/device ""'
refused dom0 '/tmp/s/activate.sh 66' 'there is no domain 66' "activate.sh for what is left of a domain"
in_dom0 'xenstore-rm /local/domain/66'
refused dom0 "/tmp/s/activate.sh --what $guest" 'unknown option --what' "activate.sh with a wrong option"
refused dom0 "PATH=/bin sh /tmp/s/activate.sh $guest" 'xenstore-exists is missing' "activate.sh without the tools"
refused domU "/tmp/activate.sh $guest" 'only dom0' "activate.sh in a guest"
refused dom0 "/tmp/s/deactivate.sh $guest" "there is no device 0 of domain $guest" "deactivate.sh for no device"
is "$(in_dom0 'xenstore-ls -f')" "$before" "XenStore is as it was"
ok "activate.sh with a device number" in_dom0 "/tmp/s/activate.sh --device 3 $guest"
refused dom0 "/tmp/s/activate.sh --device 3 $guest" 'exists already' "activate.sh twice"
has "$(in_dom0 "/tmp/s/deactivate.sh --device 3 $guest 2>&1")" 'removed by force' "deactivate.sh where no driver answers"
is "$(in_dom0 'xenstore-ls -f | grep mydevice')" "" "and nothing is left"
in_dom0 "/tmp/s/activate.sh $guest; xenstore-write /local/domain/5/domid 5"
before=$(in_dom0 'xenstore-ls -f | grep mydevice')
refused dom0 "/tmp/s/deactivate.sh --backend 5 $guest" "backend in domain 0, not in domain 5" "deactivate.sh with a wrong backend"
has "$says" "deactivate.sh --device 0 --backend 0 $guest" "it says what to type"
is "$(in_dom0 'xenstore-ls -f | grep mydevice')" "$before" "and removes nothing"
in_dom0 "xenstore-write /local/domain/5/backend/mydevice/$guest/0/state 6"
has "$(in_dom0 "/tmp/s/deactivate.sh --backend 5 $guest 2>&1")" 'so only .* is removed' "deactivate.sh for a second backend"
is "$(in_dom0 'xenstore-ls -f | grep mydevice')" "$before" "leaves the first, and the frontend"
ok "deactivate.sh for the right one" in_dom0 "/tmp/s/deactivate.sh $guest; xenstore-rm /local/domain/5"
in_dom0 'xenstore-write /local/domain/0/backend/mydevice/77/0/state 4'
ok "deactivate.sh for a domain that is gone" in_dom0 '/tmp/s/deactivate.sh 77'
is "$(in_dom0 'xenstore-ls -f | grep mydevice')" "" "and nothing is left"

done_testing

#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Each step to the clock of post 4 builds, loads and shows something, and the last survives bad
# answers. Such answers are late, wrong or missing, and come to both ends.

top=$(cd "$(dirname "$0")/../../.." && pwd -P)
work=$top/.build/tests/clock.t
lab=$top/common/lab/lab
rm -rf "$work"
mkdir -p "$work" || exit
unset DOMU BACKEND DEVICE WHERE FRONT BACK VIEW STEP NAME FROM PEER DIR DRIVER_DIR DRIVER_PARTS SERIES
export LAB_TIMEOUT="${LAB_TIMEOUT:-120}"
. "$top/common/tests/lib/tap.sh"
. "$top/common/tests/lib/source.sh"
. "$top/common/tests/lib/domains.sh"
series=04-your-own-driver
most_added=300
most_removed=35

# Outside of the tutorial, where a reader's driver is.
made=$(mktemp -d) || exit
trap 'rm -rf "$made"' EXIT

in_dom0() { in_domain dom0 "$1"; }
in_domU() { in_domain domU "$1"; }
target() { make -s --no-print-directory -C "$made/$1" "$2" </dev/null; }

# new_driver DIRECTORY [STEP]
new_driver() { make -s --no-print-directory -C "$top" new NAME=myclock FROM=$series STEP="${2-}" DIR="$made/$1" </dev/null; }

# -- the steps -------------------------------------------------------------------

# builds_silently DIRECTORY: what make load finds built then.
builds_silently() {
	make --no-print-directory -C "$made/$1" modules W=1 C=2 CF=-D__CHECK_ENDIAN__ KCFLAGS=-Werror >"$work/$1.log" 2>&1 </dev/null &&
		is_silent "$work/$1.log" || { tail -n 20 "$work/$1.log"; return 1; }
}

few() {
	ok "step $1 adds at most $most_added lines (it adds $2)" test "$2" -le $most_added
	ok "step $1 takes at most $most_removed away (it takes $3)" test "$3" -le $most_removed
}

unpack_scripts || bail_out "checkpatch and kernel-doc cannot be taken from the kernel's source"
ok "the series applies to what make new makes" env SERIES=$series "$top/common/series" check
SERIES=$series "$top/common/series" list | tr -d +- >"$work/list"
while read -r step added removed _; do few "$step" "$added" "$removed"; done <"$work/list"
steps=$(wc -l <"$work/list")

"$lab" reset 1 || bail_out "the lab does not start"
ok "make new" new_driver clock
is "$(git -C "$made/clock" rev-list --count HEAD)" $((steps + 1)) "its history is a commit a step, on top of what make new makes of a stage"
for step in $(seq "$steps"); do
	git -C "$made/clock" checkout -q "main~$((steps - step))" || bail_out "there is no commit for step $step"
	ok "step $step: W=1 and sparse are silent" builds_silently clock || continue
	ok "step $step: checkpatch --strict has nothing to say" in_kernel_style "$made/clock"
	ok "step $step: every type has its documentation" documented "$made/clock"
	# posts.t loads and tries each.
	case ${CHECK-},$step in long,* | ,1 | ,"$steps") ;; *) continue ;; esac
	start=$(printed_ledger)
	ok "step $step: make load" target clock load || continue
	ok "step $step: make try" target clock try
	ok "step $step: make unload" target clock unload
	ok "step $step: grants and event channels are back where they began" is_again "$start" printed_ledger
done

# -- the last one ------------------------------------------------------------------

git -C "$made/clock" checkout -q main
ok "make new STEP=3" new_driver three 3
is "$(git -C "$made/three" rev-list --count HEAD)" 4 "it ends there"
ok "under another name there is one commit" make -s -C "$top" new NAME=mydisk FROM=$series DIR="$made/mydisk"
is "$(git -C "$made/mydisk" rev-list --count HEAD) $(grep -rli myclock "$made/mydisk" --exclude-dir=.git)" "1 " "in which nothing has the old name"
start=$(printed_ledger)
ok "the last step: make load" target clock load
guest=$(in_dom0 'xl domid domU1')
front=/sys/bus/xen/devices/myclock-0
back=/sys/bus/xen-backend/devices/myclock-$guest-0
rtc=$(in_domU "ls $front/rtc")
answers() { in_dom0 "echo $1 >$back/answer"; }

# read_clock: what the guest is told, or the error, and how many tenths of a second that took.
read_clock() {
	in_domU "read -r a _ </proc/uptime; hwclock -r -f /dev/$rtc 2>&1; read -r b _ </proc/uptime
		echo \$((\$(echo \$b | tr -d .) / 10 - \$(echo \$a | tr -d .) / 10))"
}

tells_the_time() {
	clock=$(in_domU "cat $front/rtc/$rtc/since_epoch; date +%s" | paste -sd ' ')
	[ $((${clock% *} - ${clock#* })) -ge -2 ] && [ $((${clock% *} - ${clock#* })) -le 2 ] || { echo "$clock"; return 1; }
}

ok "the guest's $rtc tells the time of dom0" tells_the_time
answers 0
said=$(read_clock | paste -sd ' ')
has "$said" 'timed out (4[89]|[5-9][0-9]|1[0-9][0-9])$' "a backend that does not answer: the reader gives up after five seconds"
in_domU "for more in 1 2 3 4 5 6 7; do timeout -s KILL 1 hwclock -r -f /dev/$rtc; done" >/dev/null 2>&1
has "$(read_clock)" 'busy' "each that was not answered keeps its id, until there is none"
answers 1
sleep 1
ok "late answers wake nobody, and free the ids" tells_the_time
has "$(in_domU "dmesg | grep -c 'broke the protocol'")" '^0$' "and are no lie"

answers 0
in_domU "(cat $front/rtc/$rtc/since_epoch >/tmp/said 2>&1; cat /proc/uptime >>/tmp/said) & sleep 0.5
	cat /proc/uptime >/tmp/unbound" &
in_dom0 "sleep 1; echo myclock-$guest-0 >/sys/bus/xen-backend/drivers/myclockback/unbind"
wait
has "$(in_domU 'sleep 1; cat /tmp/said')" 'not connected' "a backend that goes meanwhile: the reader is told at once"
in_dom0 "echo myclock-$guest-0 >/sys/bus/xen-backend/drivers/myclockback/bind"
connected() { target clock status | grep -q 'backend Connected, frontend Connected'; }
until_connected() { for try in 1 2 3 4 5 6 7 8 9 10; do ! connected || return 0; sleep 0.5; done; target clock status; return 1; }
ok "it comes back" until_connected
ok "and tells the time" tells_the_time

# rings AFTER WHILE: does the alarm ring that is set to AFTER seconds, while dom0 does something?
rings() {
	in_domU "cd $front/rtc/$rtc; echo 0 >wakealarm; echo +$1 >wakealarm || exit; (timeout 40 head -c 8 /dev/$rtc >/dev/null; echo \$? >/tmp/rang) >/dev/null 2>&1 &" &&
		in_dom0 "$2" && in_domU 'for t in $(seq 30); do [ ! -e /tmp/rang ] || break; sleep 1; done; read -r status </tmp/rang; rm /tmp/rang; exit $status'
}

ok "an alarm rings" rings 2 true
ok "other requests are answered while it waits" eval "in_domU 'echo +20 >$front/rtc/$rtc/wakealarm' && tells_the_time"
ok "another alarm takes its place" rings 2 true
ok "one rings that was set before the backend went and came back" rings 3 \
	"cd /sys/bus/xen-backend/drivers/myclockback; echo myclock-$guest-0 >unbind; sleep 5; echo myclock-$guest-0 >bind"
ok "it comes back" until_connected
in_domU "exec 3</dev/$rtc; (sleep 3; echo myclock-0) >/sys/bus/xen/drivers/myclockfront/unbind; read -r x <&3" >/dev/null 2>&1
is "$(in_domU "ls $front/rtc 2>&1 | grep -c rtc; lsmod | grep -c myclockfront" | paste -sd ' ')" "1 1" "unbound while a program has the clock open: the clock goes, the module stays until then"
in_domU 'echo myclock-0 >/sys/bus/xen/drivers/myclockfront/bind'
ok "bound again" until_connected
ok "unload" target clock unload
ok "grants and event channels are back where they began" is_again "$start" printed_ledger

# -- drivers that lie ----------------------------------------------------------------

# liar NAME FILE EXPRESSION: a driver that was changed.
liar() {
	cp -r "$made/clock" "$made/$1" && sed -i "$3" "$made/$1/$2" && git -C "$made/$1" diff --quiet && { echo "nothing was changed"; return 1; }
	target "$1" load >/dev/null
}

# caught NAME FILE EXPRESSION PATTERN DOMAIN: the other end, in that domain, says what it caught.
caught() {
	ok "a driver that lies: $1" liar "$1" "$2" "$3" || return
	in_domU "cat $front/rtc/rtc*/since_epoch; sleep 1; cat $front/rtc/rtc*/since_epoch" >"$work/$1.said" 2>&1
	ok "$1: a reader gets an error, the second at the latest" grep -qE 'Input/output|I/O error|timed out' "$work/$1.said"
	has "$(in_domain "$5" 'dmesg | tail -n 20')" "broke the protocol: $4" "$1: the other end says what it was"
	is "$(in_domain "$5" "dmesg | grep -cE 'BUG|WARN|Oops|Call Trace'")" 0 "$1: and its kernel is well"
	ok "$1: unload" target "$1" unload
}

[ "${CHECK-}" != long ] || caught unasked myclockback.c 's/^\t\t\.id = id,/\t\t.id = id + 5,/' 'it answers what nobody asked, id 5' domU
caught outside myclockback.c 's/^\t\t\.id = id,/\t\t.id = id + 1000,/' 'it answers what nobody asked, id 1000' domU
[ "${CHECK-}" != long ] || caught twice myclockback.c 's/^\(\t\tmyclockback_respond(info, request->id, MYCLOCK_OKAY);\)/\1\n\1/' 'it answers what nobody asked, id 0' domU
[ "${CHECK-}" != long ] || caught ahead myclockback.c 's/rsp_prod_pvt++)/rsp_prod_pvt += 1000)/' 'its index is beyond the ring' domU
caught greedy myclockfront.c 's/^\tRING_PUSH_REQUESTS/\tinfo->ring.req_prod_pvt += 1000;\n&/' 'its index is beyond the ring' dom0
is "$(in_dom0 "xl dmesg | grep -cE '(grant_table|event_channel|event_fifo|mm)\\.c:|BUG'")" 0 "Xen has no complaint"
ok "the honest driver afterwards" target clock load
ok "which tells the time" tells_the_time

# -- the tests for any driver ------------------------------------------------------

parts=restored
[ "${CHECK-}" != long ] || parts="life bound $parts hostile_front hostile_back memory destroyed bereft"
DRIVER_DIR=$made/clock DRIVER_PARTS=$parts "$top/common/tests/driver/driver.t" >"$work/driver" 2>&1
ok "driver.t passes for it: $parts" eval "! grep '^not ok' $work/driver && tail -n 1 $work/driver | grep '^1\\.\\.[0-9]'"
"$lab" stop
done_testing

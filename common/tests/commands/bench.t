#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# make bench measures every cell of its tables, each once, in the lab and on a Xen host, which the lab's
# dom0 plays; it refuses what it cannot measure. Only make check-long has the time.

top=$(cd "$(dirname "$0")/../../.." && pwd -P)
. "$top/common/tests/lib/tap.sh"
work=$top/.build/tests/bench.t
rm -rf "$work"
mkdir -p "$work" || exit
lab=$top/common/lab/lab
export LAB_TIMEOUT=3000
unset CELLS SLICE REPEAT LAB_GUEST LAB_ARCH WHERE

bench() { make -s --no-print-directory -C "$top" bench "$@" 2>&1 </dev/null; }

# figures TITLE: the rows of that table, without the rule.
figures() { printf '%s\n' "$said" | awk -v title="$1" '/^## / { inside = index($0, "## " title) == 1 } inside && /^\| / && n++'; }

# shorter ONE OTHER: the round trips of those that may sleep; a look saves most of it.
shorter() {
	figures Blocking | awk -F '|' -v one="$1" -v other="$2" '{ gsub(/ /, "", $2); trip[$2] = $3 }
		END { print one ": " trip[one] ", " other ": " trip[other]; exit !(trip[one] > 0 && trip[one] < trip[other] / 2) }'
}

ok "a cell that there is not" says 2 "CELLS has words from: .*not 'x'" bench CELLS=x
for number in -1 00 010 1000000 x; do
	ok "a slice of $number" says 2 "SLICE is a number of microseconds from 0 to 999999: not '$number'" bench SLICE=$number
	ok "$number repetitions" says 2 "REPEAT is a number from 1 to 999: not '$number'" bench REPEAT=$number
done
ok "a machine that is no dom0, before anything is built" says 2 'not the dom0 of a Xen host' bench WHERE=host KDIR=/nonexistent
ok "a kind of guest that there is not" says 2 'LAB_GUEST is pv or pvh' bench LAB_GUEST=hvm
ok "a processor that there is not" says 2 'LAB_ARCH amd64 or arm64: not .x' bench LAB_ARCH=x

said=$(bench CELLS='core poll orders devices guests connect' REPEAT=1)
is $? 0 "all is measured once" || printf '%s\n' "$said" | tail -n 20 | sed 's/^/# /'
for title in Blocking Spinning 'Ring sizes' Devices Guests 'Connecting, all' "What a ring's" 'Connecting, one' Goals; do
	has "$(figures "$title")" '[0-9]' "there are figures: $title"
done
ok "a process that looks before it sleeps has a shorter round trip than one that does not" shorter mydevicepeer libxenvchan
is "$(printf '%s\n' "$said" | grep -c 'FAILED\|not measured')" 0 "none is missing"
for plot in sizes orders roundtrips scaling connect rings guests; do
	ok "a plot: $plot" grep -q '<svg' "$top/.build/bench/pv/$plot.svg"
done

# -- on a host -------------------------------------------------------------------

# One connection for all commands: an emulated processor needs seconds for each login.
ssh="/root/ssh/$(ldd "$(command -v ssh)" | sed -n 's|.*/\(ld-linux[^ ]*\).*|\1|p') --library-path /root/ssh /root/ssh/ssh -o ControlPath=/root/ssh/master"
guest="$ssh -q root@10.0.2.101"

# What a reader would copy to a dom0 that has no compiler; and ssh, with its libraries, for dom0 has none.
# shellcheck disable=SC2046 # one word a library
host_to_be() {
	mkdir -p "$work/tutorial/common" "$work/ssh" &&
		WHERE=host KDIR=$("$lab" headers) "$top/common/bench/bench" build &&
		(cd "$top" && tar -cf - common/bench .build/bench/host) | tar -C "$work/tutorial" -xf - &&
		cp -L "$(command -v ssh)" $(ldd "$(command -v ssh)" | grep -o '/[^ ]*') "$top/.build/lab/ssh-key" "$work/ssh" &&
		"$lab" put dom0 "$work/tutorial" "$work/ssh" /root &&
		"$lab" run dom0 "chmod 600 /root/ssh/ssh-key && $ssh -i /root/ssh/ssh-key -o StrictHostKeyChecking=no -MNf root@10.0.2.101 >/dev/null 2>&1" </dev/null
}

on_host() { "$lab" run dom0 "cd /root/tutorial && WHERE=host REPEAT=1 $1 common/bench/bench 2>&1" </dev/null; }
ours() {
	for domain in dom0 domU; do "$lab" run $domain 'lsmod | grep -E "^(mydevice|bound|bell)"; ls -d /tmp/mydevice-bench 2>/dev/null' </dev/null; done
	"$lab" run dom0 'xenstore-ls -f | grep mydevice' </dev/null
}

LAB_CPUS=2 "$lab" start || bail_out "the lab does not start"
host_to_be || bail_out "the lab's dom0 cannot be made a host"
ok "no guest is named" says 1 "make bench WHERE=host DOMU=name GUEST='ssh root@name'" on_host
ok "a guest that there is not" says 1 "no guest 'domU7'" on_host "DOMU=domU7 GUEST='$guest'"
ok "a command that does not reach the guest" says 1 "GUEST='false' runs no command" on_host "DOMU=domU1 GUEST=false"
said=$(on_host "DOMU=domU1 GUEST='$guest' TCP=10.0.2.101 CELLS=core SHARE=32")
is $? 0 "all of a cell is measured on a host" || printf '%s\n' "$said" | tail -n 20 | sed 's/^/# /'
has "$said" 'common/bench/report .build/bench/host' "it says how the report is made elsewhere"
"$lab" run dom0 'cat /root/tutorial/.build/bench/host/results.csv' </dev/null >"$top/.build/bench/host/results.csv"
said=$("$top/common/bench/report" "$top/.build/bench/host" real '' 0 core)
is $? 0 "the report has all figures" || printf '%s\n' "$said" | tail -n 20 | sed 's/^/# /'
has "$said" 'clock on the wall' "and says what its times are"
is "$(ours)" "" "nothing of it is left in either domain"

# After its first figure: everything is loaded, and something is measured.
interrupted() {
	"$lab" run dom0 "cd /root/tutorial && rm -f .build/bench/host/results.csv
		WHERE=host REPEAT=1 CELLS=core SHARE=32 DOMU=domU1 GUEST='$guest' common/bench/bench >/root/log 2>&1 &
		for try in \$(seq 600); do
			[ ! -e .build/bench/host/results.csv ] || [ \$(wc -l <.build/bench/host/results.csv) -lt 2 ] || break
			sleep 1
		done
		lsmod | grep -q ^bound && kill \$! && wait \$!
		status=\$?
		cat /root/log
		exit \$status" </dev/null
}
ok "it is interrupted" says 143 'mydevice, blocking' interrupted
is "$(ours)" "" "nothing of it is left then, either"

"$lab" run dom0 'insmod /root/tutorial/.build/bench/host/bound.ko' </dev/null
ok "a host with a module of ours is left alone" says 1 'modules are loaded already' on_host "DOMU=domU1 GUEST='$guest'"
has "$(ours)" bound "and it keeps that"
done_testing

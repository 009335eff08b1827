#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The lab is a real Xen, and the machine under it computes right.

top=$(cd "$(dirname "$0")/../../.." && pwd -P)
lab=$top/common/lab/lab
work=$top/.build/tests/lab.t
mkdir -p "$work" || exit
export work LAB_TIMEOUT=300
. "$top/common/tests/lib/tap.sh"
. "$top/common/tests/lib/platform.sh"

in_dom0() { "$lab" run dom0 "$1" </dev/null; }
in_domU() { "$lab" run domU "$1" </dev/null; }

# Both domains at once: one that is alone keeps its registers.
registers() {
	"$top/common/tests/build" common/tests/lab/sse || return 1
	"$lab" put dom0 "$work/sse" /tmp && "$lab" put domU "$work/sse" /tmp || return 1
	in_domU '/tmp/sse 10 2 & /tmp/sse 10 3; s=$?; wait $! && exit $s' >"$work/sse.domU" &
	in_dom0 '/tmp/sse 10 1 & /tmp/sse 10 4; s=$?; wait $! && exit $s' >"$work/sse.dom0"
	dom0_status=$?
	wait $!
	domu_status=$?
	cat "$work/sse.dom0" "$work/sse.domU"
	[ $dom0_status -eq 0 ] && [ $domu_status -eq 0 ] &&
		[ "$(cat "$work/sse.dom0" "$work/sse.domU" | grep -c '^[1-9][0-9]* checks, 0 wrong')" -eq 4 ]
}

# Each kind of mistake leaves one report, and a program without any leaves none.
sanitizers() {
	"$top/common/tests/build" --sanitize common/tests/lab/bugs && "$lab" put "$1" "$work/bugs" /tmp || return 1
	reports=$("in_$1" 'export ASAN_OPTIONS=quarantine_size_mb=4:log_path=/tmp/sanitizer
		export UBSAN_OPTIONS=log_path=/tmp/sanitizer
		rm -f /tmp/sanitizer.*
		for bug in none overflow use leak shift; do
			/tmp/bugs $bug >/dev/null || echo $bug: $(cat /tmp/sanitizer.* | grep -oE "heap-buffer-overflow|heap-use-after-free|detected memory leaks|shift exponent" | sort -u)
			rm -f /tmp/sanitizer.*
		done')
	echo "$reports"
	[ "$reports" = "overflow: heap-buffer-overflow
use: heap-use-after-free
leak: detected memory leaks
shift: shift exponent" ]
}

# A stage that is being built is copied when it is.
waits_for_a_build() {
	rm -rf "$work/stage" && mkdir -p "$work/stage" && touch "$work/stage/half" || return
	flock "$work/stage" sh -c "touch '$work/at-work'; sleep 5; mv '$work/stage/half' '$work/stage/whole'" &
	until [ -e "$work/at-work" ]; do sleep 0.1; done
	"$lab" put dom0 "$work/stage" /tmp && in_dom0 'test -e /tmp/stage/whole && rm -r /tmp/stage'
	status=$?
	rm "$work/at-work"
	wait $! && return $status
}

# counted: the QEMU that starts for a lab of the benchmark. It need not come to its end.
counted() {
	LAB_NAME=counted LAB_CLOCK=instructions "$lab" start 1 >/dev/null 2>&1 &
	run=${LAB_BUILD:-$top/.build/lab}/run.counted
	for try in $(seq 600); do
		words=$(tr '\0' ' ' 2>/dev/null <"/proc/$(cat "$run/pid" 2>/dev/null)/cmdline")
		case $words in *-smp*) break ;; esac
		sleep 0.1
	done
	kill $!
	wait $!
	echo "$words"
}

"$lab" start || bail_out "the lab does not start"

[ "$arch" != amd64 ] || has "$(counted)" '-icount shift=1,sleep=off .*-smp 3 ' "where time is counted, dom0, the domU and an idle one have a processor each"
has "$(in_dom0 'xl info')" "^xen_version *: $xen" "dom0's toolstack speaks to Xen $xen"
has "$(in_dom0 'xl list')" '^domU1 +[1-9]' "the domU is a domain of it"
has "$(in_dom0 'cat /proc/xen/capabilities')" control_d "dom0 is the control domain"
is "$(in_domU 'cat /proc/xen/capabilities')" "" "the domU is not"
has "$(in_domU 'dmesg')" 'Booting kernel on Xen|Hypervisor detected: Xen PV' "the domU's kernel knows that it runs on Xen"
release=$("$lab" release)
is "$(in_dom0 'uname -r')" "$release" "dom0's kernel is the one that the headers are for"
is "$(in_domU 'uname -r')" "$release" "so is the domU's"

# A root made of Debian's packages holds nothing that the host happens to have.
packages=$("$lab" packages)
has "$packages" "^xen-hypervisor-$xen-$arch $xen" "the lab says what it is made of: the hypervisor"
has "$packages" "^linux-image-$(printf '%s\n' "$release" | sed 's/[.+]/\\&/g') " "... and the kernel"
is "$(printf '%s\n' "$packages" | grep -vc ' ')" 0 "each package with its version"

ok "a directory that something is built in is copied afterwards" waits_for_a_build
for domain in dom0 domU; do
	ok "$domain: programs run under AddressSanitizer and UBSan, which see what they should" sanitizers $domain
done
ok "SSE registers stay intact while dom0 and the domU are both busy" registers
printf '%s\n' "$output" | sed 's/^/# /'

# What needs a paused guest names it, and what does not goes on.
target() { make --no-print-directory -C "$top/01-hello-probe" WHERE=lab "$1" </dev/null; }
in_dom0 'xl pause domU1'
ok "a guest is paused: the lab runs, and says so" says 0 'running already, but domU1 does not answer' "$lab" start
ok "load: the guest is paused" says 2 'domU1 is paused, and cannot answer' target load
ok "unload: what is in the guest cannot be seen" says 2 'no module in the domains that answer; but domU1 is paused' target unload
in_dom0 'xl unpause domU1'
ok "unload: it goes on" says 0 '^unloaded: no device and no module of ours is left' target unload

done_testing

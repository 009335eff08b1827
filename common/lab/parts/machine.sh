# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0
#
# The machine: one QEMU in which Xen, dom0 and the domUs run. It is started
# cold once, then from a snapshot. Everything about a running lab is in $run:
#
#   pid monitor qemu.log        the QEMU process
#   ssh.* PORT.* connecting     connections into the domains, and their locks
#   ssh.log                     what ssh said when a domain did not answer
#   dom0.console domU.console   what Xen and dom0, and all domUs, print
#   ports                       domain name, ssh port on the loopback address
#   ready                       there when all domains answer; holds the
#                               snapshot key, so an older lab can be told

XEN_MIB=32		# a guest's share of Xen's own tables
STALL=120		# give up when nothing moves for so many seconds
BOOT=1200		# give up on a boot after so many, even if it prints on and on

# -- which QEMU ------------------------------------------------------------

# choose_accelerator: sets accel, cpu, mitigations and processors. machine-ARCH.sh has the CPU model without
# KVM. KVM is used only if Xen's own banner comes out of a machine that it runs: /dev/kvm may be
# there and not work.
#
# The mitigations are what Xen and Linux do so that a processor leaks nothing when it speculates.
# An emulated one does not speculate, and xenstore-ls took a tenth longer with them. Where time is
# counted (LAB_CLOCK) they stay, for figures of Debian's kernel as it is.
choose_accelerator() {
	accel=tcg cpu=$tcg_cpu mitigations=off
	choose_processors
	choose_clock
	why="another processor than this machine's"
	[ "$arch" = "$host_arch" ] || return 0
	why="with KVM there is no hypervisor mode for Xen on $arch"
	[ "$arch" = amd64 ] || return 0
	why="no /dev/kvm that can be used"
	[ -r /dev/kvm ] && [ -w /dev/kvm ] || return 0
	tried=$build/kvm.$(cat /proc/sys/kernel/random/boot_id)
	if [ ! -e "$tried" ]; then
		rm -f "$build"/kvm.*
		if kvm_boots_xen; then echo yes; else echo no; fi >"$tried"
	fi
	why="/dev/kvm is there, but Xen did not start on it"
	[ "$(cat "$tried")" = no ] || {
		accel=kvm cpu=host icount='' mitigations=''
		why="Xen's banner came out of a test start"
	}
}

# LAB_CPUS: how many processors the machine has. Xen gives dom0 as many virtual ones, and dom0
# its domUs. QEMU emulates each in a thread of its own.
choose_processors() {
	cpus=${LAB_CPUS:-1}
	case $cpus in
	[1-8]) processors=$cpus ;;
	*) die_usage "LAB_CPUS is the number of processors, 1 to 8: not '$cpus'" ;;
	esac
}

# LAB_CLOCK=instructions: guest time is the number of instructions that all
# domains together have executed, 2 ns each, whatever the host does. dom0 has
# processor 0 and the domUs have 2, which QEMU runs by turns; the idle one between
# them keeps the turns fair (common/bench/README.md). With KVM time is real, and
# the rest is the same. Sets what follows from the clock.
choose_clock() {
	icount='' placing='' lab_clock=''
	case ${LAB_CLOCK-} in
	'') return ;;
	instructions) ;;
	*) die_usage "LAB_CLOCK is 'instructions' or not set: not '$LAB_CLOCK'" ;;
	esac
	[ "$cpus" = 1 ] || die_usage "LAB_CLOCK=instructions places the processors itself: not with LAB_CPUS=$cpus"
	mitigations=''
	accel=tcg,thread=single cpu=$counted_cpu icount="-icount shift=1,sleep=off ${turns-}" processors=3
	placing='dom0_max_vcpus=1 dom0_vcpus_pin'
	lab_clock='lab_clock=instructions'
}

kvm_boots_xen() {
	banner=$build/kvm-test.$$
	: >"$banner"
	timeout 10 "$qemu" -accel kvm -cpu host -m 256 -display none \
		-nodefaults -no-reboot -serial file:"$banner" \
		-kernel "$images/xen" -append "console=com1 noreboot" >/dev/null 2>&1 &
	helper=$!
	works=1
	while kill -0 $helper 2>/dev/null; do
		! grep -qs 'Xen version' "$banner" || { works=0; break; }
		sleep 0.1
	done
	kill $helper 2>/dev/null
	wait $helper 2>/dev/null
	helper=
	rm -f "$banner"
	return $works
}

# machine DOMUS EXTRA...: starts QEMU in the background; 0 if its monitor answers.
# All files are named relative to $run, where QEMU stays: its comma syntax and
# the length of a socket's path would otherwise limit where a checkout may be.
# The pid is written before QEMU begins, so that there is none without a pid.
machine() {
	domus=$1
	shift
	machine_kill
	mkdir -p "$run" || die_disk
	forwards=hostfwd=tcp:127.0.0.1:0-10.0.2.15:22
	i=1
	while [ "$i" -le "$domus" ]; do
		forwards=$forwards,hostfwd=tcp:127.0.0.1:0-10.0.2.$((100 + i)):22
		i=$((i + 1))
	done
	link_kernels
	# shellcheck disable=SC2016,SC2046,SC2086 # $$ and $@ are for the inner shell; the rest is words
	(cd "$run" && exec sh -c 'echo $$ >pid && exec setsid "$@"' sh "$qemu" -name "$LAB_NAME" \
		-accel "$accel" $icount -cpu "$cpu" -smp "$processors" -m $((dom0_mib + (domu_mib + XEN_MIB) * domus + spare_mib)) \
		-nodefaults -display none -vga none -no-reboot \
		-monitor unix:monitor,server=on,wait=off \
		-netdev user,id=net0,restrict=on,$forwards $(devices) \
		"$@" 9>&- >qemu.log 2>&1 </dev/null) &
	started=$!
	began=$(now)
	until read_ports; do
		kill -0 $started 2>/dev/null && [ $(($(now) - began)) -lt "$STALL" ] || return
		sleep 0.05
	done
}

qemu_says() {
	tail -n 3 "$run/qemu.log" | grep . || echo "(no message; $(free_mib) MiB are free)"
}

# -- talking to it ---------------------------------------------------------

# monitor COMMAND...: each to QEMU's monitor; prints what it answers.
monitor() {
	(cd "$run" && printf '%s\n' "$@" | socat -t 120 - UNIX-CONNECT:monitor 2>/dev/null |
		tr -d '\r' | sed 's/^(qemu).*\x1b\[K//; s/^(qemu) *//')
}

# A pid file may outlive its process, and the number may be somebody else's by
# now: the process must be a QEMU that stays in this directory.
machine_alive() {
	[ -s "$run/pid" ] && read -r pid <"$run/pid" && is_our_qemu "$pid" "$run"
}

is_our_qemu() {
	{ read -r running <"/proc/$1/comm"; } 2>/dev/null && [ "${running#qemu-system-}" != "$running" ] &&
		[ "$(readlink "/proc/$1/cwd")" = "$2" ]
}

machine_kill() {
	! machine_alive || qemu_kill "$pid"
	# One whose directory somebody removed under it would run on unnoticed.
	for pid in $(pgrep '^qemu-system-'); do
		! is_our_qemu "$pid" "$run (deleted)" || qemu_kill "$pid"
	done
	rm -rf "$run"
}

qemu_kill() {
	kill -KILL "$1" || die "QEMU (pid $1) cannot be killed"
	while [ -s "/proc/$1/cmdline" ]; do sleep 0.05; done
}

read_ports() {
	monitor 'info usernet' | awk '
		$1 ~ /^TCP\[HOST_FORWARD\]/ {
			n = $5; sub(/.*\./, "", n)
			print (n == 15 ? "dom0" : "domU" n - 100), $4
		}' >"$run/ports"
	[ -s "$run/ports" ]
}

# -- starting --------------------------------------------------------------

snapshot_key() {
	{
		cat "$images/id" "$lab_dir/parts/machine.sh" "$lab_dir/parts/kernels.sh" "$lab_dir/parts/machine-$arch.sh"
		"$qemu" --version
		echo "$accel" "$cpu" "$cpus" "$1" "$lab_clock" "${domu_directory##*/}" "${dom0_directory##*/}" "$guest" "$xenstored"
	} | sha256sum | cut -c 1-16
}

# cold_boot DOMUS: returns when every domain has said that it is ready.
cold_boot() {
	say "booting Xen, dom0 and $(domus "$1") (once; later starts restore a snapshot)"
	rm -f "$images"/snapshots/*.new
	boot "$1" || die "QEMU did not start: $(qemu_says)"
	await "Xen's banner" dom0.console 'Xen version'
	await "dom0 to be ready" dom0.console 'lab: dom0 is ready'
	i=1
	while [ "$i" -le "$1" ]; do
		await "domU$i to be ready" domU.console "lab: domU$i is ready"
		i=$((i + 1))
	done
}

# boot DOMUS EXTRA...: a machine that boots.
boot() {
	dom0_line="console=hvc0 quiet lab_name=dom0 lab_address=10.0.2.15 lab_domus=$1 lab_cpus=$cpus $domu_words${lab_clock:+ $lab_clock}${mitigations:+ mitigations=$mitigations}${dom0_words:+ $dom0_words}"
	xen_line="dom0_mem=${dom0_mib}M,max:${dom0_mib}M gnttab_max_frames=256 loglvl=info guest_loglvl=warning${placing:+ $placing}${mitigations:+ spec-ctrl=no}"
	boot_xen "$@"
}

# await WHAT CONSOLE TEXT: until TEXT is in the console. The limit is set on
# progress: a loaded host is slow, but something that works keeps printing.
await() {
	began=$(now) size=0 changed=$began
	until grep -qs "$3" "$run/$2"; do
		machine_alive || console_die "QEMU ended while the lab waited for $1" "$2"
		for console in dom0.console domU.console; do
			! grep -Eqs "$hopeless" "$run/$console" || console_die "the start failed while the lab waited for $1" $console
		done
		[ $(($(now) - began)) -lt $BOOT ] || console_die "the lab waited $BOOT s for $1" "$2"
		seen=$(cat "$run"/*.console | wc -c)
		[ "$seen" = "$size" ] || { size=$seen changed=$(now); }
		[ $(($(now) - changed)) -lt "$STALL" ] ||
			console_die "no console printed anything for $STALL s while the lab waited for $1" "$2"
		progress "waiting for $1"
		sleep 0.1
	done
	progress_end
}

# What no boot recovers from. A root that did not unpack may be whole enough for a guest to
# come up, and fail later.
hopeless='Kernel panic|Initramfs unpacking failed|lab: .* could not'

# console_die WHY CONSOLE
console_die() {
	say "the last lines of $2:"
	tail -n 15 "$run/$2" | tr -d '\r' | awk '{ print "    " $0 }' >&2
	[ ! -s "$run/qemu.log" ] || sed 's/^/    QEMU: /' "$run/qemu.log" >&2
	die "$1"
}

# snapshot_save FILE: QEMU's whole state, compressed. The machine goes on.
snapshot_save() {
	say "keeping a snapshot, so that the next start takes seconds"
	mkdir -p "${1%/*}"
	name=${1##*/}
	monitor stop 'migrate_set_parameter max-bandwidth 0' \
		"migrate -d \"exec:zstd -q -1 -c > images/snapshots/$name.new\"" >/dev/null
	began=$(now)
	while monitor 'info migrate' >"$run/migrate.log"; grep -Eq 'status: (setup|active|device)' "$run/migrate.log"; do
		[ $(($(now) - began)) -lt "$STALL" ] || break
		progress "writing the snapshot"
		sleep 0.1
	done
	if grep -q 'status: completed' "$run/migrate.log" && zstd -q -t "$1.new" 2>/dev/null; then
		mv "$1.new" "$1"
	else
		rm -f "$1.new"
		say "the snapshot could not be written (disk full?): $(sed -n 's/^Migration status: //p' "$run/migrate.log")"
		say "the lab works without it, but the next start will boot again"
	fi
	monitor cont >/dev/null
}

# restore DOMUS FILE: 0 if the domains answer again; else says why not.
restore() {
	zstd -q -t "$2" 2>/dev/null || { say "the snapshot is damaged: it is removed"; return 1; }
	incoming "$1" -incoming "exec:zstd -q -dc images/snapshots/${2##*/}" && loaded ||
		{ say "QEMU refused the snapshot, which is removed: $(qemu_says)"; return 1; }
	monitor cont >/dev/null
	all_answer 60 || { say "$domain did not answer after the restore: the snapshot is removed"; return 1; }
}

loaded() {
	began=$(now)
	until monitor 'info status' | grep -q 'VM status: paused$'; do
		machine_alive && [ $(($(now) - began)) -lt "$STALL" ] || return
		sleep 0.05
	done
}

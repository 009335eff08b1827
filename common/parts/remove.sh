# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0
#
# unload: come back from wherever the reader has been. Devices whose half is gone,
# or whose backend is in another domain, modules in a domain where they have no
# business, processes that were started by hand: all of it goes, and only then it
# is said that nothing is left.

unload() {
	if has_back; then remove_devices; fi
	for domain in $domains; do stop_processes "$domain"; done
	remove_modules front xen
	remove_modules back xen-backend
	if has_back; then remove_directories; fi
}

remove_devices() {
	fact_of_dom0 device >"$tmp/devices"
	while read -r backend domid device _ <&4; do
		[ "$backend" != - ] || say "device $device of domain $domid no longer has a backend: removing what is left of it"
		script deactivate.sh --device "$device" --backend "$(echo "$backend" | sed 's/^-$/0/')" "$domid" || check_kernels
	done 4<"$tmp/devices"
}

# What the script does not take: a device that is not called by a number, an empty
# directory, the error of a device that is gone.
remove_directories() {
	fact_of_dom0 directory >"$tmp/directories"
	forgotten >"$tmp/forgotten"
	[ -s "$tmp/directories" ] || [ -s "$tmp/forgotten" ] || return 0
	in_dom0 "below() { xenstore-list \$1 2>/dev/null | sed \"s,^,\$1/,\"; }
		for d in $(paste -sd ' ' "$tmp/directories"); do
			xenstore-exists \$d || continue
			# XenBus hears only of each device's own directory.
			case \$d in
			# A guest could not make its directory of errors again: no -t.
			*/error/*) xenstore-rm \$d || exit; continue ;;
			*/device/*) for n in \$(below \$d); do xenstore-rm -t \$n || exit; done ;;
			*) for n in \$(below \$d); do for m in \$(below \$n); do xenstore-rm -t \$m || exit; done; done ;;
			esac
			! xenstore-exists \$d || xenstore-rm -t \$d || exit
		done
		for d in $(paste -sd ' ' "$tmp/forgotten"); do
			xenstore-exists \$d || { xenstore-write \$d '' && xenstore-rm -t \$d; } || exit
		done" || die "XenStore's directories of $driver could not be removed (see above)."
}

# forgotten: prints the directories of devices that XenBus still has, although nothing is
# left of them: somebody removed the directory above, of which XenBus does not hear.
forgotten() {
	for domain in $domains; do
		case $(called "$domain") in
		dom0) domid=0 ;;
		*) domid=$(fact_of_dom0 guest | sed -n "s/^$domain \([0-9]*\) .*/\1/p") ;;
		esac
		fact "$domain" object | while read -r path; do
			fact_of_dom0 device | awk -v path="/local/domain/$domid/$path" -v driver="$driver" '
				$1 != "-" && path == "/local/domain/" $1 "/backend/" driver "/" $2 "/" $3 { found = 1 }
				$5 != "gone" && path == "/local/domain/" $2 "/device/" driver "/" $3 { found = 1 }
				END { exit found }' && echo "/local/domain/$domid/$path"
		done
	done
}

# A process ends by itself when its device goes. If it does not it is told to, and
# if it cannot hear, because it is stopped, it is killed.
stop_processes() {
	[ -n "$(fact "$1" process; fact "$1" file | grep /run/)" ] || return 0
	in_domain "$1" "for pid in $(fact "$1" process | paste -sd ' '); do
			try=0
			while [ -e /proc/\$pid/exe ]; do
				try=\$((try + 1))
				case \$try in
				50) kill \$pid; kill -CONT \$pid ;;
				100) kill -KILL \$pid ;;
				150) echo \"process \$pid\" >&2; exit 1 ;;
				esac
				sleep 0.1
			done
		done
		rm -rf /run/${driver}[0-9]* /run/${driver}peer-*.lock" && return
	check_kernels
	die "${driver}peer in $(called "$1") cannot be killed, not even with SIGKILL (see above)." \
		"It hangs in the kernel. In the lab: make lab-reset"
}

# remove_modules END BUS: wherever it is loaded.
remove_modules() {
	for domain in $domains; do
		! fact "$domain" module | grep -q "^$1" || remove_module "$domain" "$driver$1" "$2"
	done
}

# A module can be removed when its devices are gone or unbound, and nobody has
# the device node open.
remove_module() {
	in_domain "$1" "$there
		unbind() { echo \$1 >/sys/bus/$3/drivers/$2/unbind; }
		for d in /sys/bus/$3/drivers/$2/$driver-*; do
			[ -e \$d ] || continue
			limited 30 unbind \${d##*/}
			status=\$?
			case \$status in 124 | 125) exit \$status ;; esac
		done
		limited 30 rmmod $2 && exit
		status=\$?
		for p in /proc/[0-9]*; do
			! ls -l \$p/fd 2>/dev/null | grep -q /dev/$driver ||
				echo \"    process \${p#/proc/} has it open: \$(tr '\\0' ' ' <\$p/cmdline)\" >&2
		done
		exit \$status"
	case $? in
	0) return ;;
	124) stuck "$1" "$2 in $(called "$1") cannot be removed within 30 s" ;;
	125) die_crashed "$1" ;;
	esac
	check_kernels
	die "$2 in $(called "$1") is still in use." "End the process that uses it, then type the same command again."
}

# stuck DOMAIN WHAT: where XenBus's thread sleeps is the reason, nearly always.
stuck() {
	say "the stack of XenBus's thread (xenwatch) in $(called "$1"):" >&2
	in_domain "$1" 'cat /proc/$(pidof xenwatch || pgrep -x xenwatch)/stack' 2>&1 | sed 's/^/    /' >&2
	[ "$where" = lab ] || die "$2: something in the kernel hangs (see above)." "Reboot this domain."
	die "$2: something in the kernel hangs (see above)." "Start again with a fresh lab: make lab-reset"
}

# nothing_left: look everywhere.
nothing_left() {
	# XenBus takes its time to hear of what was removed.
	for try in 1 2 3 4 5 6 7 8 9 10; do
		look_around
		printf '%s' "$facts" | grep -q '^[^ ]* object ' || break
		[ "$role" != front ] || break
		sleep 1
	done
	{
		fact_of_dom0 directory | sed 's/^/XenStore: /'
		for domain in $domains; do
			fact "$domain" module | sed "s/^\([a-z]*\).*/$(called "$domain"): the module $driver\1/"
			! has_back || fact "$domain" object | sed "s/^/$(called "$domain"): a device of XenBus, /"
			fact "$domain" process | sed "s/^/$(called "$domain"): ${driver}peer, process /"
		done
	} >"$tmp/left"
	[ ! -s "$tmp/left" ] || { sed 's/^/    /' "$tmp/left" >&2; die "not everything could be removed (see above for what is left)."; }
	case $silent in
	*' is paused'*)
		paused=${silent%% is paused*}
		die "no device is left, and no module in the domains that answer; but $silent." \
			"Unpause it: common/lab/lab run dom0 'xl unpause ${paused##*, }'" "Then type the same command again."
		;;
	*' has crashed'*) die "no device is left, and no module in the domains that answer; but $silent." ;;
	esac
}

# What could be looked at depends on where this is.
say_unloaded() {
	case $role in
	both) say "unloaded: no device and no module of ours is left" ;;
	back) say "unloaded: no device is left, and no module of ours in dom0" \
		"In a guest: make -C $stage unload WHERE=host" ;;
	front) say "unloaded: no module of ours is left in this guest; dom0 removes the device" ;;
	esac
}

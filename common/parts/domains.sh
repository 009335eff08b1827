# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0
#
# Where the two ends of a device are, and how a command gets there. The same steps
# serve the lab and a real Xen host. In the lab all domains can be reached, and each
# has a name; on a host there is only this domain, which is called "here".

# Nobody wants to know that nobody reads it any more.
say() {
	printf '%s\n' "$@" 2>/dev/null
}

die() {
	printf '%s: %s\n' "${stage##*/}" "$1" >&2
	shift
	[ $# -eq 0 ] || printf '    %s\n' "$@" >&2
	exit 1
}

# find_domains: sets role and domains.
find_domains() {
	if [ "$where" = lab ]; then
		role=both
		domains=$("$lab" domains) || exit
		domains=$(printf '%s' "$domains" | paste -sd ' ')
		return
	fi
	[ -e /proc/xen/capabilities ] || [ -e /sys/hypervisor/type ] ||
		die "this machine does not run on Xen." "Without a Xen host use the lab: make -C $stage $command WHERE=lab"
	role=front
	! grep -qs control_d /proc/xen/capabilities || role=back
	[ "$(id -u)" -eq 0 ] || die "loading and unloading modules needs root."
	domains=here
}

# find_ends: sets the domains of the device that load makes, which DOMU and BACKEND name.
find_ends() {
	front_domain=here back_domain=here
	[ "$where" = lab ] || return 0
	front_domain=$(lab_domain "${DOMU:-domU1}") || exit
	back_domain=$(lab_domain "${BACKEND:-dom0}") || exit
	[ "$front_domain" != "$back_domain" ] || die "the two ends must be in different domains, not both in $front_domain."
}

has_back() { [ "$role" != front ]; }
has_front() { [ "$role" != back ]; }

# lab_domain NAME-OR-DOMID: prints the name of that domain of the lab.
lab_domain() {
	case $1 in
	domU) name=domU1 ;;
	0) name=dom0 ;;
	'' | *[!0-9]*) name=$1 ;;
	*) name=$(in_domain dom0 "xl domname $1" 2>/dev/null || echo "$1") ;;
	esac
	case " $domains " in
	*" $name "*) echo "$name" ;;
	*) die "the lab has no domain '$1'; it has: $domains" "For more guests: make lab-reset DOMUS=3" ;;
	esac
}

# domid_of NAME-OR-DOMID: prints its number, as dom0 knows it.
domid_of() {
	case $1 in
	dom0 | Domain-0) echo 0 ;;
	domU) domid_of domU1 ;;
	*[!0-9]*) fact_of_dom0 guest | awk -v name="$1" '$1 == name { print $2; found = 1 } END { exit !found }' || die "there is no guest '$1' (xl list shows the guests)." ;;
	*) echo "$1" ;;
	esac
}

# guest_domid: the number of the guest that has the frontend.
guest_domid() {
	[ "$where" = lab ] || [ -n "${DOMU-}" ] || die "which guest has the device? Name it:" \
		"make -C $stage $command DOMU=name-or-domid        (xl list shows the guests)"
	domid_of "${DOMU:-domU1}"
}

# called DOMAIN: its name, for the reader, who says domU for the first.
called() {
	case $1 in
	here) if [ "$role" = back ]; then echo dom0; else echo domU; fi ;;
	domU1) echo domU ;;
	*) echo "$1" ;;
	esac
}

# in_domain DOMAIN LINE: run a shell's line there, for $limit seconds at most.
limit=${LAB_TIMEOUT:-120}
in_domain() {
	if [ "$where" = lab ]; then
		LAB_TIMEOUT=$limit "$lab" run "$1" "$2" </dev/null
	else
		timeout "$limit" sh -c "$2" </dev/null
	fi
}

in_dom0() {
	if [ "$where" = lab ]; then in_domain dom0 "$1"; else in_domain here "$1"; fi
}

# put DOMAIN FILE: copies it there, if that is elsewhere; prints where it is now.
put() {
	if [ "$where" = lab ]; then
		"$lab" put "$1" "$2" /tmp && echo "/tmp/${2##*/}"
	else
		echo "$2"
	fi
}

# limited SECONDS COMMAND..., for a line that runs in a domain: inserting or
# removing a module, and unbinding a device, sleep where no signal reaches them if
# XenBus's thread is stuck. So such a command runs in the background, and is
# left there when its time is over (124), or at once when the kernel crashes (125).
limited='limited() {
	seconds=$1 said=$(mktemp)
	shift
	("$@" >"$said" 2>&1; echo $? >"$said.status") </dev/null >/dev/null 2>&1 &
	ticks=0
	while [ ! -s "$said.status" ]; do
		sleep 0.1
		ticks=$((ticks + 1))
		[ $((ticks % 5)) -ne 0 ] || ! crashed || { cat "$said" >&2; return 125; }
		[ $ticks -lt $((seconds * 10)) ] || { cat "$said" >&2; return 124; }
	done
	cat "$said" >&2
	set -- $(cat "$said.status")
	rm -f "$said" "$said.status"
	return $1
}
'

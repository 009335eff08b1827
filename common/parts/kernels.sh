# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0
#
# Are the domains' kernels well? After an oops a kernel goes on without the thread
# that it happened in; if that was XenBus's (xenwatch), or one that held its lock,
# everything that is done to a device afterwards waits for ever.

# For a line that runs in a domain: has its kernel crashed since the survey? A
# taint of D (128) says that it has oopsed. On a host that may be long ago.
crashed='crashed() {
	[ $(($(cat /proc/sys/kernel/tainted) & 128 & ~tainted_before)) -ne 0 ] || ! grep -qsx xenwatch /proc/[0-9]*/comm
}
'

# must_answer DOMAIN: it can be asked.
must_answer() {
	case " $domains " in *" $1 "*) return ;; esac
	case ,$silent in
	*"$1 is paused"*) die "$1 is paused, and cannot answer." "Unpause it: common/lab/lab run dom0 'xl unpause $1'" ;;
	*"$1 is gone"* | *"$1 has crashed"*) die_gone "$1" ;;
	esac
}

die_gone() {
	say "the last lines that the guests printed:" >&2
	"$lab" printed domU >&2
	die "$1 no longer exists: it was destroyed, or its kernel crashed." "Start again with a fresh lab: make lab-reset"
}

# no_answer DOMAIN: it should, and does not. What is the reason?
no_answer() {
	[ "$where" = lab ] || die "this domain does not answer (see above)."
	"$lab" running || exit
	if [ "$1" != dom0 ] && ! in_domain dom0 "xl domid $1" >/dev/null 2>&1; then die_gone "$1"; fi
	say "the last lines that $1 printed:" >&2
	"$lab" printed "$1" >&2
	die "$1 does not answer." "Start again with a fresh lab: make lab-reset"
}

# check_kernels: has one crashed since the survey? What their logs have gained since is in
# $tmp/log.DOMAIN then.
check_kernels() {
	for domain in $domains; do
		in_domain "$domain" "$there ! crashed || echo crashed; dmesg" >"$tmp/said" || no_answer "$domain"
		since "$(fact "$domain" time)" <"$tmp/said" >"$tmp/log.$domain"
		[ "$(head -n 1 "$tmp/said")" != crashed ] || die_crashed "$domain"
	done
}

# Lines of a kernel's log that say that something is wrong. A soft lockup is no fault of
# the driver where the machine is emulated, on a host that does other things, too.
complaint='BUG:|kernel BUG|WARNING:|Oops|general protection fault|Unable to handle|Internal error|KASAN|UBSAN'
# Those after which a thread is dead.
deadly='kernel BUG|BUG: (kernel|unable)|Oops|general protection fault|Unable to handle|Internal error|[[]#[0-9]'

# since TIME: of a kernel's log, what is later.
since() {
	awk -v since="${1:-0}" '
		{ time = $0; sub(/^\[ */, "", time) }
		time + 0 > since + 0'
}

# complaints [PATTERN]: of a kernel's log, from the first on, without registers and code.
complaints() {
	grep -v 'soft lockup' | grep -Ev '\] ((Code|PKRU|PGD|Modules linked in|R[A-Z0-9]+|E?FLAGS|FS|CS|CR2|DR[0-9]):|R[A-Z0-9]+: 0| \?)' |
		awk -v pattern="${1-$complaint}" '$0 ~ pattern { found = 1 } found' | head -n 24 | sed 's/^/    /'
}

# die_crashed DOMAIN
die_crashed() {
	say "the kernel of $(called "$1") says:" >&2
	limit=20
	in_domain "$1" dmesg 2>/dev/null | complaints "$deadly" >"$tmp/said"
	if [ -s "$tmp/said" ] || [ "$where" = host ]; then cat "$tmp/said" >&2; else "$lab" printed "$1" >&2; fi
	[ "$where" = lab ] ||
		die "the kernel of this domain has crashed (see above); any use of a device may now hang for ever." "Reboot this domain."
	die "the kernel of $(called "$1") has crashed (see above); any use of a device may now hang for ever." \
		"Start again with a fresh lab: make lab-reset"
}

# must_be_well WHAT: no kernel has complained between the survey and check_kernels.
must_be_well() {
	unwell=
	for domain in $domains; do
		found=$(complaints <"$tmp/log.$domain")
		[ -n "$found" ] || continue
		say "" "The kernel of $(called "$domain") complains:" "$found" >&2
		unwell="$unwell${unwell:+ and }$(called "$domain")"
	done
	[ -z "$unwell" ] || die "$1, but the kernel of $unwell complained meanwhile (see above)." \
		"Mend the driver, then: make -C $stage load" "If anything hangs: make lab-reset"
}

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

# survey: sets facts, a line "DOMAIN KEY VALUE..." for each thing found in a domain,
# and domains, to those that can be asked. Of this the rest of the command makes use.
survey() {
	facts=
	[ "$where" != lab ] || leave_out_silent
	for domain in $domains; do
		found=$(in_domain "$domain" "$survey_line") || no_answer "$domain"
		facts="$facts$(printf '%s\n' "$found" | sed "s/^/$domain /")
"
	done
	tainted_before=0
	[ "$where" = lab ] || tainted_before=$(fact here tainted)
	there="tainted_before=$tainted_before
$crashed$limited"
}

# look_around: a survey that ends this command if a kernel has crashed before.
look_around() {
	survey
	for domain in $domains; do
		[ $(($(fact "$domain" tainted) & 128 & ~tainted_before)) -eq 0 ] && [ -z "$(fact "$domain" no-xenwatch)" ] ||
			die_crashed "$domain" 0
	done
}

survey_line="echo \"time \$(dmesg | tail -n 1 | sed -n 's/^\\[ *\\([0-9.]*\\)\\].*/\\1/p')\"
	echo \"tainted \$(cat /proc/sys/kernel/tainted)\"
	grep -qsx xenwatch /proc/[0-9]*/comm || echo no-xenwatch 1
	for end in front back; do
		[ ! -d /sys/module/$driver\$end ] ||
			echo \"module \$end \$(od -A n -v -t x1 /sys/module/$driver\$end/notes/.note.gnu.build-id 2>/dev/null | tr -d ' \\n' | tail -c 40)\"
	done
	for pid in \$(ls -l /proc/[0-9]*/exe 2>/dev/null | sed -n 's,.* /proc/\\([0-9]*\\)/exe -> .*/${driver}peer\\( (deleted)\\)*\$,\\1,p'); do
		# One that only keeps a saved domain's ports must go on: its end would crash that kernel.
		grep -qs @stale /proc/\$pid/comm /proc/\$pid/cmdline || echo \"process \$pid\"
	done"

# fact DOMAIN KEY: its values, one a line.
fact() {
	printf '%s' "$facts" | sed -n "s/^$1 $2 //p"
}

# leave_out_silent: of the lab's domains, those that are gone or paused. What needs one
# of them says so.
leave_out_silent() {
	list=$(in_domain dom0 'xl list | awk "NR > 1 { print \$1, \$5 }"') || no_answer dom0
	answering='' silent=''
	for domain in $domains; do
		case $domain$(printf '%s\n' "$list" | sed -n "s/^$domain / /p") in
		dom0* | *' '??-?-*) answering="$answering $domain" ;;
		*' '*p*) silent="$silent${silent:+, }$domain is paused" ;;
		*' '*) silent="$silent${silent:+, }$domain has crashed" ;;
		*) silent="$silent${silent:+, }$domain is gone" ;;
		esac
	done
	domains=${answering# }
}

# must_answer DOMAIN: it can be asked.
must_answer() {
	case " $domains " in *" $1 "*) return ;; esac
	case ,$silent in
	*"$1 is paused"*) die "$1 is paused, and cannot answer." "Let it go on: common/lab/lab run dom0 'xl unpause $1'" ;;
	*"$1 is gone"* | *"$1 has crashed"*) die_gone "$1" ;;
	esac
}

die_gone() {
	say "what the guests printed last:" >&2
	"$lab" printed domU >&2
	die "$1 is gone: it was destroyed, or its kernel crashed." "Start again with a fresh lab: make lab-reset"
}

# no_answer DOMAIN: it should, and does not. What is the reason?
no_answer() {
	[ "$where" = lab ] || die "this domain cannot be asked (see above)."
	"$lab" running || exit
	if [ "$1" != dom0 ] && ! in_domain dom0 "xl domid $1" >/dev/null 2>&1; then die_gone "$1"; fi
	say "what $1 printed last:" >&2
	"$lab" printed "$1" >&2
	die "$1 does not answer." "Start again with a fresh lab: make lab-reset"
}

# check_kernels: has one crashed since the survey?
check_kernels() {
	for domain in $domains; do
		state=$(in_domain "$domain" "$there ! crashed || echo crashed") || no_answer "$domain"
		[ -z "$state" ] || die_crashed "$domain" "$(fact "$domain" time)"
	done
}

# Lines of a kernel's log that say that something is wrong. A soft lockup is no fault of
# the driver where the machine is emulated, on a host that does other things, too.
complaint='BUG:|kernel BUG|WARNING:|Oops|general protection fault|Unable to handle|Internal error|KASAN|UBSAN'

# log_since DOMAIN TIME: the kernel's log after that time.
log_since() {
	in_domain "$1" dmesg | awk -v since="${2:-0}" '
		{ time = $0; sub(/^\[ */, "", time) }
		time + 0 > since + 0 || since + 0 == 0'
}

# complaints DOMAIN TIME: from the first on, without the registers and the code.
complaints() {
	log_since "$1" "$2" | grep -v 'soft lockup' | grep -Ev '\] (Code:|R[A-Z0-9]+: |[RFDC][S0-9][^ ]*: |Modules linked in|PKRU|PGD|  *\?)' |
		awk -v pattern="$complaint" '$0 ~ pattern { found = 1 } found' | head -n "${3:-24}" | sed 's/^/    /'
}

# die_crashed DOMAIN TIME
die_crashed() {
	say "the kernel of $(called "$1") says:" >&2
	complaints "$1" "$2" >&2
	[ "$where" = lab ] ||
		die "the kernel of this domain has crashed (see above); what is done to a device now may wait for ever." "Reboot this domain."
	die "the kernel of $(called "$1") has crashed (see above); what is done to a device now may wait for ever." \
		"Start again with a fresh lab: make lab-reset"
}

# must_be_well WHAT: no kernel has complained since the survey.
must_be_well() {
	check_kernels
	unwell=
	for domain in $domains; do
		found=$(complaints "$domain" "$(fact "$domain" time)")
		[ -n "$found" ] || continue
		say "" "The kernel of $(called "$domain") complains:" "$found" >&2
		unwell="$unwell${unwell:+ and }$(called "$domain")"
	done
	[ -z "$unwell" ] || die "$1, but the kernel of $unwell complained meanwhile (see above)." \
		"Mend the driver, then: make -C $stage load" "If anything hangs: make lab-reset"
}

# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0
#
# trace: what the functions of both modules did while a command ran, and when they sent an event or
# said a state, in both domains on one time line. ftrace sees it in each domain.
#
# A domain's sched_clock is Xen's system time less what that was when the domain booted, and Linux
# keeps that number in a variable (arch/x86/xen/time.c); a kprobe reads it. Xen's time is one for all
# domains. Clocks of processes will not do: dom0 counts the processor's cycles, a guest Xen's.

tracefs=/sys/kernel/tracing
# What crosses to the other domain: an event, a state, a node.
sends='notify_remote_via_irq xenbus_switch_state xenbus_printf'

start_trace="[ -e $tracefs/trace ] || mount -t tracefs none $tracefs || exit
	cd $tracefs || exit
	[ \"\$(cat current_tracer)\" = nop ] || { echo 'a trace is already running here; to end it: echo nop >$tracefs/current_tracer' >&2; exit 1; }
	echo 0 >tracing_on
	echo local >trace_clock
	echo >set_ftrace_filter
	echo 'p:shared_clock vfs_open offset=@xen_sched_clock_offset:u64' >>kprobe_events || exit
	echo >trace
	echo 1 >events/kprobes/shared_clock/enable
	echo 1 >tracing_on
	read -r line <README
	echo 0 >tracing_on
	echo 0 >events/kprobes/shared_clock/enable
	sed -n 's/.* offset=//p' trace | tail -n 1
	echo '-:kprobes/shared_clock' >>kprobe_events
	echo 8192 >buffer_size_kb
	for end in front back; do
		[ ! -d /sys/module/$driver\$end ] || echo \":mod:$driver\$end\" >>set_ftrace_filter
	done
	for f in $sends; do echo \$f >>set_ftrace_filter; done
	echo function >current_tracer
	echo >trace
	echo 1 >tracing_on"

stop_trace="cd $tracefs || exit
	echo 0 >tracing_on
	cat trace
	echo nop >current_tracer
	echo >set_ftrace_filter
	echo >trace
	echo 1408 >buffer_size_kb"

trace() {
	look_around
	traced=
	for domain in $domains; do
		! fact "$domain" module | grep -q . || traced="$traced $domain"
	done
	[ -n "$traced" ] || die "no module of $driver is loaded." "Load it: make -C $stage load"
	trap 'end_traces; rm -rf "$tmp"' EXIT
	for domain in $traced; do
		offset=$(in_domain "$domain" "$start_trace" 2>"$tmp/said")
		case $offset in
		'' | *[!0-9]*)
			cat "$tmp/said" >&2
			die "$(called "$domain")'s kernel cannot be traced (see above): it needs function tracing, kprobes, and Xen's clock on x86."
			;;
		esac
		echo "$offset" >"$tmp/offset.$domain"
	done
	run_traced
	end_traces >/dev/null
	for domain in $traced; do
		lines_of "$domain" <"$tmp/trace.$domain"
	done | sort -n | folded >"$tmp/lines"
	traced=
	[ -s "$tmp/lines" ] || die "no function of $driver ran during the trace."
	if [ "${VIEW-}" = msc ]; then msc; else columns; fi <"$tmp/lines"
}

# The reader's command, or what make try does.
run_traced() {
	say "\$ ${CMD:=make -C $stage try}" >&2
	(cd "$common/.." && sh -c "$CMD") </dev/null >"$tmp/said" 2>&1 ||
		{ status=$?; cat "$tmp/said" >&2; die "the command failed, with status $status (see above)."; }
	sed 's/^/    /' "$tmp/said" >&2
}

# However it ends, no domain goes on tracing.
end_traces() {
	for domain in $traced; do
		in_domain "$domain" "$stop_trace" >"$tmp/trace.$domain" || no_answer "$domain"
	done
}

# lines_of DOMAIN: of ftrace's lines "NANOSECONDS DOMAIN PROCESS FUNCTION CALLER", in Xen's time.
# Network and disk send events, too.
lines_of() {
	awk -v domain="$(called "$1")" -v offset="$(cat "$tmp/offset.$1")" -v driver="$driver" -v sends="$sends" '
		BEGIN { n = split(sends, name, " "); for (i = 1; i <= n; i++) sent[name[i]] = 1 }
		/^#/ || !match($0, / \[[0-9]+\] [^ ]+ +[0-9]+\.[0-9]+: /) { next }
		{
			process = substr($0, 1, RSTART - 1)
			sub(/^ +/, "", process); sub(/-[0-9]+ *$/, "", process); gsub(/ /, "_", process)
			split(substr($0, RSTART, RLENGTH), word, " ")
			split(word[3], time, /[.:]/)
			split(substr($0, RSTART + RLENGTH), call, / <-/)
			if ((call[1] in sent) && index(call[2], driver) != 1) next
			printf "%d%09d %s %s %s %s\n", time[1] + int((time[2] * 1000 + offset) / 1e9),
				(time[2] * 1000 + offset) % 1e9, domain, process, call[1], call[2]
		}'
}

# folded: a function that is called over and over, by sort() say, is one line with a number.
folded() {
	awk '
		function put() { if (times) print line (times > 1 ? " " times : "") }
		{ what = $2 " " $3 " " $4 " " $5 }
		what != last { put(); line = $0; times = 0; last = what }
		{ times++ }
		END { put() }'
}

# columns: the frontend at the left, the backend at the right; an arrow is what goes across.
columns() {
	awk -v left="$(called "$front_domain")" -v right="$(called "$back_domain")" -v sends="$sends" '
		BEGIN { n = split(sends, name, " "); for (i = 1; i <= n; i++) sent[name[i]] = 1 }
		function since(    s, ns) { s = substr($1, 1, length($1) - 9) - s0; ns = substr($1, length($1) - 8) - ns0; return s * 1000 + ns / 1e6 }
		NR == 1 {
			s0 = substr($1, 1, length($1) - 9); ns0 = substr($1, length($1) - 8)
			printf "%10s   %-47s %s\n", "ms", left, right
		}
		{
			text = $3 ": " $4 ($4 in sent ? " <- " $5 : "") (NF > 5 ? " (" $6 " times)" : "")
			if ($2 == left) printf "%10.3f   %-47s%s\n", since(), text, ($4 in sent) ? " ->" : ""
			else printf "%10.3f   %47s %s\n", since(), ($4 in sent) ? "<-" : "", text
		}'
}

# msc: the same as a sequence chart, for mscgen.
msc() {
	awk -v left="$(called "$front_domain")" -v right="$(called "$back_domain")" -v sends="$sends" '
		BEGIN {
			n = split(sends, name, " "); for (i = 1; i <= n; i++) sent[name[i]] = 1
			printf "msc {\n\tfront [label=\"%s\"], back [label=\"%s\"];\n", left, right
		}
		{
			end = $2 == left ? "front" : "back"
			other = end == "front" ? "back" : "front"
			if ($4 in sent) printf "\t%s => %s [label=\"%s\"];\n", end, other,
				$4 ~ /^notify/ ? "event" : $4 ~ /state/ ? "state" : "node"
			else printf "\t%s box %s [label=\"%s: %s\"];\n", end, end, $3, $4
		}
		END { print "}" }'
}

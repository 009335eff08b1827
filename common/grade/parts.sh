# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0
#
# What the checks of the exercises may use. Before this is read there are number, dir, called,
# driver, answers, lab and tmp: see grade. After load there are guest, front and back.

checks=0 failed=0
: >"$tmp/measured"
LAB_TIMEOUT=${LAB_TIMEOUT:-240}
export LAB_TIMEOUT

# -- what is said ------------------------------------------------------------

# in_words TEXT: in one line.
in_words() {
	[ -n "$1" ] || set -- nothing
	printf '%s\n' "$1" | paste -sd ';' | sed 's/;/; /g'
}

note() { printf '# %s\n' "$1"; }

pass() {
	checks=$((checks + 1))
	printf 'ok - %s: saw %s\n' "$1" "$(in_words "$2")"
}

# fail WHAT SAW EXPECTED
fail() {
	checks=$((checks + 1)) failed=$((failed + 1))
	printf 'not ok - %s: saw %s, expected %s\n' "$1" "$(in_words "$2")" "$(in_words "$3")"
}

# is WHAT SAW EXPECTED
is() {
	if [ "$2" = "$3" ]; then pass "$1" "$2"; else fail "$@"; fi
}

# like WHAT SAW PATTERN WORDS: a line of it matches (grep -E); WORDS say what is expected.
like() {
	if printf '%s\n' "$2" | grep -Eq -e "$3"; then
		pass "$1" "$(printf '%s\n' "$2" | grep -E -e "$3" | head -n 1)"
	else
		fail "$1" "$(printf '%s\n' "$2" | tail -n 3)" "$4"
	fi
}

is_number() { case $1 in '' | *[!0-9]*) return 1 ;; esac; }

# between WHAT SAW LEAST MOST: MOST may be empty.
between() {
	if is_number "$2" && [ "$2" -ge "$3" ] && { [ -z "$4" ] || [ "$2" -le "$4" ]; }; then
		pass "$1" "$2"
	elif [ -n "$4" ]; then
		fail "$1" "$2" "$3 to $4"
	else
		fail "$1" "$2" "at least $3"
	fi
}

# measured WHAT SAW: the answer has a row of that name in a table, with what it should be: a
# text, "10 to 20", "at least 10" or "at most 20".
measured() {
	echo "$1" >>"$tmp/measured"
	wanted=$(figures | awk -F '|' -v name="$1" '$1 == name { print $2 }')
	plain=$(printf '%s' "$wanted" | tr -d ',')
	case $plain in
	'') fail "$1" "$2" "a figure in docs/exercises/$number.md, which has none of that name" ;;
	[0-9]*' to '[0-9]*) between "$1" "$2" "${plain%% *}" "${plain##* }" ;;
	'at least '[0-9]*) between "$1" "$2" "${plain##* }" '' ;;
	'at most '[0-9]*) between "$1" "$2" 0 "${plain##* }" ;;
	*) is "$1" "$2" "$wanted" ;;
	esac
}

# figures: the rows of the answer's tables, as NAME|VALUE.
figures() {
	sed -n '/^| *[^-:| ]/{ s/`//g; s/^| *//; s/ *| */|/g; s/|$//; p; }' "$answers/$number.md" | grep -v '^measured|'
}

# stop WHY [LINE...]: this cannot go on.
stop() {
	checks=$((checks + 1)) failed=$((failed + 1))
	printf 'not ok - %s\n' "$1"
	shift
	[ $# -eq 0 ] || printf '%s\n' "$@" | tail -n 25 | sed 's/^/#   /'
	finish
}

# finish: the last line, and the end.
finish() {
	[ $failed -gt 0 ] || not_measured
	if [ $failed -eq 0 ] && [ $checks -gt 0 ]; then
		[ -e "$answers/$number.patch" ] || note "The answer says why: docs/exercises/$number.md"
		echo "$number: passed"
		exit 0
	fi
	echo "$number: not passed, $failed of $checks"
	exit 1
}

# A figure that nothing measures could say anything.
not_measured() {
	figures | cut -d '|' -f 1 | grep -vxF -f "$tmp/measured" >"$tmp/left" || return 0
	fail "all figures of the answer are measured" "none for: $(paste -sd , "$tmp/left")" "one for each"
}

# -- the lab and the driver --------------------------------------------------

in_dom0() { "$lab" run dom0 "$1" </dev/null; }
in_front() { "$lab" run domU1 "$1" </dev/null; }
in_back() { "$lab" run "${back_domain:-dom0}" "$1" </dev/null; }

target() { make --no-print-directory -C "$dir" WHERE=lab "$@" </dev/null; }

# load [VARIABLE=VALUE...]: what the reader types, after a line in both kernels' logs from which
# log_of begins. With GRADE_LOADED=1, for the tests, a stage that was just loaded stays.
load() {
	"$lab" running 2>/dev/null || "$lab" start >"$tmp/load" 2>&1 || stop "the lab starts" "$(cat "$tmp/load")"
	mark
	note "make -C $called load${*:+ $*}"
	[ -n "${GRADE_LOADED-}" ] || target load "$@" >"$tmp/load" 2>&1 ||
		stop "make -C $called load${*:+ $*}" "$(cat "$tmp/load")"
	guest=$(in_dom0 'xl domid domU1') || stop "dom0 says which domain the guest is"
	front=/sys/bus/xen/devices/$driver-0 back=/sys/bus/xen-backend/devices/$driver-$guest-0
	front_class=/sys/class/${driver}front/${driver}0 back_class=/sys/class/${driver}back/$driver$guest.0
	front_file=/dev/${driver}0 back_file=/dev/$driver$guest.0
	front_nodes=/local/domain/$guest/device/$driver/0 back_nodes=/local/domain/0/backend/$driver/$guest/0
}

mark() {
	mark="grade: $number $$"
	for domain in dom0 domU1; do
		"$lab" run $domain "echo '$mark' >/dev/kmsg" </dev/null || stop "$domain answers" "If it does not: make lab-reset"
	done
}

# log_of END: what its kernel said since load began.
log_of() {
	"in_$1" dmesg | awk -v mark="$mark" 'index($0, mark) { n = 0; next } { line[n++] = $0 } END { for (i = 0; i < n; i++) print line[i] }'
}

# said END: what our module said, without the time.
said() { log_of "$1" | sed -n "s/^\[[^]]*\] *\($driver$1\)/\1/p"; }

# until_states STATES: the frontend's and the backend's by number, within 60 s; prints what they
# are then.
until_states() {
	in_dom0 "read -r begun rest </proc/uptime
		while :; do
			states=\"\$(xenstore-read $front_nodes/state 2>/dev/null || echo gone) \$(xenstore-read $back_nodes/state 2>/dev/null || echo gone)\"
			[ \"\$states\" != '$1' ] || break
			read -r now rest </proc/uptime
			[ \$((\${now%.*} - \${begun%.*})) -lt 60 ] || break
			usleep 100000
		done
		echo \$states"
}

# bind END, unbind END: its driver, and the device.
bind() { bound "$1" bind; }
unbind() { bound "$1" unbind; }
bound() {
	case $1 in
	front) in_front "echo $driver-0 >/sys/bus/xen/drivers/${driver}front/$2" ;;
	back) in_back "echo $driver-$guest-0 >/sys/bus/xen-backend/drivers/${driver}back/$2" ;;
	esac
}

# rings N: of the guest's, each answered before the next; prints how many were answered.
rings() {
	in_front "cd $front || exit
		answered=0
		for i in \$(seq $1); do
			before=\$(cat events_received) || break
			echo 1 >notify
			for try in \$(seq 500); do
				[ \$(cat events_received) = \$before ] || { answered=\$((answered + 1)); break; }
				usleep 2000
			done
			[ -z \"${2-}\" ] || cat round_trip_ns >>/tmp/round-trips
		done
		echo \$answered"
}

# program NAME: builds common/grade/NAME.c for the guest and dom0, and puts it into their /tmp.
program() {
	"$top/common/cc" -std=gnu11 -O2 -Wall -Wextra -static -o "$tmp/$1" "$grade/$1.c" || stop "$1.c can be compiled (gcc and libc6-dev are needed)"
	for domain in domU1 dom0; do "$lab" put $domain "$tmp/$1" /tmp || stop "$1 is in $domain"; done
}

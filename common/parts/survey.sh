# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0
#
# What there is of the driver, in all domains and in all of XenStore. It is asked
# for once, with one command a domain, because the way there is what takes time.

# survey: sets facts, a line "DOMAIN KEY VALUE..." for each thing found; domains, to
# those that answer; silent, what is wrong with the others. The keys:
#
#   time SECONDS                   of the last line of the kernel's log
#   tainted MASK                   of the kernel: 128 if it has crashed
#   xenwatch PID                   XenBus's thread, if it lives
#   module END BUILD-ID            a module that is loaded
#   process PID                    a process that drives an end
#   object PATH                    a device that XenBus has there, by its directory
#   stage STAGE                    whose process it is, if load started it
#   file LINE                      where bytes go in and come out, for the reader
#   violated FILE COUNT            how often the other end of that device has broken the protocol
#   guest NAME DOMID STATE         dom0 only: what xl lists
#   directory PATH                 dom0 only: a directory of our type in XenStore
#   device BACK DOMID N BS FS      dom0 only: the backend's domain, or - if only the
#                                  frontend's directory is there; the states of both
survey() {
	facts='' silent=''
	if [ "$where" = lab ]; then
		asked=${asked:-$domains} domains=$asked
		ask dom0
		leave_out_silent
		for domain in $domains; do
			[ "$domain" = dom0 ] || ask "$domain"
		done
	else
		ask here
	fi
	tainted_before=0
	[ "$where" = lab ] || tainted_before=$(fact here tainted)
	there="tainted_before=$tainted_before
$crashed$limited"
}

# ask DOMAIN: adds what is found there to the facts.
ask() {
	line=$survey_line
	[ "$(called "$1")" != dom0 ] || line="$line$survey_dom0"
	in_domain "$1" "$line" >"$tmp/found" || no_answer "$1"
	facts="$facts$(sed "s,^/proc/\([0-9]*\)/comm:xenwatch\$,xenwatch \1,
			s,^/proc/\([0-9]*\)/comm:.*,process \1,
			s,^time \[ *\([0-9.]*\)\].*,time \1," "$tmp/found" | find_devices | sed "s/^/$1 /")
"
}

# The name of a process is cut after 15 characters.
survey_line="echo \"time \$(dmesg | tail -n 1)\"
	read -r mask </proc/sys/kernel/tainted
	echo \"tainted \$mask\"
	grep -sHxF -e xenwatch -e $(printf '%.15s' "${driver}peer") /proc/[0-9]*/comm
	for end in front back; do
		[ ! -d /sys/module/$driver\$end ] ||
			echo \"module \$end \$(od -A n -v -t x1 /sys/module/$driver\$end/notes/.note.gnu.build-id 2>/dev/null | tr -d ' \\n' | tail -c 40)\"
	done
	for node in /sys/bus/xen*/devices/$driver-*/nodename; do
		[ ! -e \$node ] || echo \"object \$(cat \$node)\"
	done
	for node in /dev/$driver*; do
		[ ! -c \$node ] || echo \"file \$node\"
		[ ! -f \$node ] || echo \"file \$node is an ordinary file, written when the device did not exist: remove it, then load again\"
	done
	for count in /sys/class/$driver*/*/violations; do
		[ ! -e \$count ] || { read -r n <\$count; [ \$n = 0 ] || { node=\${count%/*}; echo \"violated /dev/\${node##*/} \$n\"; }; }
	done
	for pid in /run/${driver}[0-9]*/pid; do
		[ ! -e \$pid ] || echo \"file \${pid%pid}in and out, of ${driver}peer, process \$(cat \$pid)\"
		[ ! -e \${pid%pid}stage ] || echo \"stage \$(cat \${pid%pid}stage)\"
	done
	true"
survey_dom0="
	xl list 2>/dev/null | awk 'NR > 1 { print \"guest\", \$1, \$2, \$5 }'
	xenstore-ls -f /local/domain | grep '^/local/domain/[0-9]*/\\(error/\\)*\\(device\\|backend\\)/${driver}[/ ]'
	true"

# find_devices: of XenStore's nodes makes devices and directories; passes on what is no node.
find_devices() {
	awk -v driver="$driver" '
		!/^\/local\/domain\// { print; next }
		{
			split($0, part, " = ")
			n = split(part[1], name, "/")
			state = part[2]; gsub(/"/, "", state)
			kind = name[5] == "error" ? name[5] "/" name[6] : name[5]
			top = "/local/domain/" name[4] "/" kind "/" driver
			if (index(part[1] "/", top "/") != 1) next
			if (!(top in seen)) print "directory", top
			seen[top] = 1
			if (kind == "backend" && n >= 8) {
				at = name[4] " " name[7] " " name[8]
				if (!(at in back)) order[++backs] = at
				back[at] = back[at]
				has[name[7] " " name[8]] = 1
				if (n == 9 && name[9] == "state") back[at] = state
			}
			if (kind == "device" && n >= 7) {
				at = name[4] " " name[7]
				if (!(at in front)) lone[++fronts] = at
				front[at] = front[at]
				if (n == 8 && name[8] == "state") front[at] = state
			}
		}
		function state_in(of, at) { return !(at in of) ? "gone" : of[at] == "" ? "stateless" : of[at] }
		END {
			for (i = 1; i <= backs; i++) {
				split(order[i], part, " ")
				print "device", order[i], state_in(back, order[i]), state_in(front, part[2] " " part[3])
			}
			for (i = 1; i <= fronts; i++)
				if (!(lone[i] in has)) print "device -", lone[i], "gone", state_in(front, lone[i])
		}'
}

# fact DOMAIN KEY: its values, one a line. It is asked for dozens of times, and to start a
# program takes longer than to look through a few lines.
fact() {
	while IFS= read -r found_fact; do
		case $found_fact in
		"$1 $2" | "$1 $2 "*) found_fact=${found_fact#"$1 $2"} ;;
		*) continue ;;
		esac
		while :; do
			case $found_fact in ' '*) found_fact=${found_fact# } ;; *) break ;; esac
		done
		printf '%s\n' "$found_fact"
	done <<-FACTS
		$facts
	FACTS
}

# fact_of_dom0 KEY: likewise.
fact_of_dom0() {
	if [ "$where" = lab ]; then fact dom0 "$1"; else fact here "$1"; fi
}

# leave_out_silent: of the lab's domains, those that are gone or paused. What needs one
# of them says so.
leave_out_silent() {
	answering=''
	for domain in $domains; do
		case $domain$(fact dom0 guest | sed -n "s/^$domain [0-9]*//p") in
		dom0* | *' '??-?-*) answering="$answering $domain" ;;
		*' '*p*) silent="$silent${silent:+, }$domain is paused" ;;
		*' '*) silent="$silent${silent:+, }$domain has crashed" ;;
		*) silent="$silent${silent:+, }$domain is gone" ;;
		esac
	done
	domains=${answering# }
}

# look_around: a survey that ends this command if a kernel has crashed before.
look_around() {
	survey
	for domain in $domains; do
		[ $(($(fact "$domain" tainted) & 128 & ~tainted_before)) -eq 0 ] && [ -n "$(fact "$domain" xenwatch)" ] ||
			die_crashed "$domain" 0
	done
}

# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0
#
# The channel into the domains: ssh, through a port of QEMU's on the loopback
# address for each domain. Connections are kept open and used again, without a key exchange under
# emulation for each command. A command without input needs no channel of its own, either (talk).

# domain_port NAME: prints it; a wrong name is answered with the right ones.
#
# This and what else comes before each of the tests' many thousand commands does
# without programs where the shell can do it.
domain_port() {
	while read -r known_name known_port; do
		[ "$known_name" != "$1" ] || { echo "$known_port"; return; }
	done <"$run/ports"
	die_usage "the lab has no domain '$1'; it has: $(cut -d ' ' -f 1 "$run/ports" | paste -sd ' ')"
}

# A reader says domU and means the first.
domain_name() {
	if [ "$1" = domU ]; then echo domU1; else echo "$1"; fi
}

# in_domain NAME SSH-ARG...
in_domain() {
	(over_ssh 0 "$@")
}

# in_domain_within SECONDS NAME SSH-ARG...
in_domain_within() {
	(over_ssh "$@")
}

# over_ssh SECONDS NAME SSH-ARG...: runs ssh with a limit, 0 for none, and ends this process.
# ssh looks for its socket by a path relative to $run, because the length of a socket's path is
# limited and a checkout's is not.
over_ssh() {
	port=$(domain_port "$2") && cd "$run" || exit
	seconds=$1
	shift 2
	take_connection
	set -- root@127.0.0.1 "$@"
	# shellcheck disable=SC2086 # one word an option
	timeout --foreground "$seconds" ssh $ssh_options "$@" 9>&-
	status=$?
	leave_connection $status
	exit $status
}

# Takes the first connection to the domain that nobody uses, for as long as this
# process lives (timeout keeps descriptor 8, ssh closes it). One connection could
# carry many commands, but Debian 12's dropbear drops a command that begins on a connection in
# the moment when another one ends on it (mkj/dropbear, issues 173 and 321).
#
# ssh ends when the channel of its command is closed at both ends, and then the connection can be
# used again. An ssh that is killed leaves its command running, so each connection is marked while
# it is used: a mark that is still there closes the connection, and a new one is opened.
take_connection() {
	connection=1
	until exec 8>>"$port.$connection" && flock -n 8; do connection=$((connection + 1)); done
	[ ! -s "$port.$connection" ] || forget_connection
	echo used >&8 2>/dev/null
	connect
}

# Its shell (talk) finds new FIFOs the next time.
forget_connection() {
	rm -f "$port.$connection".*
	connection_options
	drop_connection
}

connection_options() {
	ssh_options="-F none -p $port -i ../ssh-key -o IdentitiesOnly=yes -o LogLevel=ERROR
		-o BatchMode=yes -o ConnectTimeout=15 -o ConnectionAttempts=1
		-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null
		-o ServerAliveInterval=10 -o ServerAliveCountMax=3
		-o ControlMaster=auto -o ControlPath=./ssh.%p.$connection -o ControlPersist=yes"
}

# connect: opens $connection, if it is not open. One after the other: dropbear refuses more than
# five that log in at once.
connect() {
	connection_options
	# shellcheck disable=SC2086 # one word an option
	[ -S "ssh.$port.$connection" ] ||
		timeout --foreground "$seconds" flock -w 120 connecting ssh $ssh_options root@127.0.0.1 true \
			</dev/null >/dev/null 2>&1 9>&- || drop_connection
}

# leave_connection STATUS: from 124 on it may be timeout's, or that of an ssh that was killed.
leave_connection() {
	[ "$1" -ge 124 ] || { true >"$port.$connection"; } 2>/dev/null
}

# The process that keeps the connection has a command's output until that command has ended,
# whatever becomes of the ssh that asked for it: a reader of the output would wait as long.
drop_connection() {
	[ -n "${connection-}" ] || return 0
	# It answers a moment before it ends.
	# shellcheck disable=SC2086 # one word an option
	timeout --foreground 5 ssh $ssh_options -O exit root@127.0.0.1 >/dev/null 2>&1 8>&- || return 0
	for try in $(seq 100); do
		[ -S "ssh.$port.$connection" ] || return 0
		sleep 0.05
	done
}

# answers NAME SECONDS [COMMAND]: does the domain answer within that time?
answers() {
	in_domain_within "$2" "$1" "${3-true}" </dev/null >/dev/null 2>"$run/ssh.log"
}

# all_answer SECONDS: sets the clocks on the way, for a restored machine still has
# the time of its snapshot. If it is not 0, $domain did not answer that long.
all_answer() {
	for domain in $(cut -d ' ' -f 1 "$run/ports"); do
		began=$(now)
		until answers "$domain" 15 "date -s @$(now)"; do
			machine_alive && [ $(($(now) - began)) -lt "$1" ] || return
			progress "waiting for $domain to answer"
			sleep 0.1
		done
	done
	progress_end
}

ssh_says() {
	tail -n 1 "$run/ssh.log" | tr -d '\r'
}

# quote WORD...: for a shell on the other side.
quote() {
	for word; do
		case $word in *\'*)
			word=$(printf '%sx' "$word" | sed "s/'/'\\\\''/g")
			word=${word%x} ;;
		esac
		printf "'%s' " "$word"
	done
}

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
	(become_ssh 0 "$@")
}

# in_domain_within SECONDS NAME SSH-ARG...
in_domain_within() {
	(become_ssh "$@")
}

# become_ssh SECONDS NAME SSH-ARG...: this process becomes the ssh, with a limit,
# 0 for none. ssh looks for its socket by a path relative to $run, because the
# length of a socket's path is limited and a checkout's is not.
become_ssh() {
	port=$(domain_port "$2") && cd "$run" || exit
	seconds=$1
	shift 2
	take_connection
	set -- root@127.0.0.1 "$@"
	# shellcheck disable=SC2086 # one word an option
	exec timeout --foreground "$seconds" ssh $ssh_options "$@" 9>&-
}

# Takes the first connection to the domain that nobody uses, for as long as this
# process lives (timeout keeps descriptor 8, ssh closes it). One connection could
# carry many commands, but dropbear drops a command that begins on a connection
# in the moment when another one ends on it (mkj/dropbear, issue 173).
take_connection() {
	connection=1
	until exec 8>>"$port.$connection" && flock -n 8; do connection=$((connection + 1)); done
	connect
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
			</dev/null >/dev/null 2>&1 9>&-
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

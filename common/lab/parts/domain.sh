# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0
#
# The channel into the domains: ssh, through a port of QEMU's on the loopback
# address for each domain. One connection a domain is kept open and shared, so
# that a command takes a tenth of a second rather than a key exchange under
# emulation.

# domain_port NAME: prints it; a wrong name is answered with the right ones.
domain_port() {
	awk -v name="$1" '$1 == name { print $2; found = 1 } END { exit !found }' "$run/ports" ||
		die_usage "there is no domain '$1' in the lab; there is: $(cut -d ' ' -f 1 "$run/ports" | paste -sd ' ')"
}

# A reader says domU and means the first.
domain_name() {
	if [ "$1" = domU ]; then echo domU1; else echo "$1"; fi
}

# in_domain NAME SSH-ARG...
in_domain() {
	port=$(domain_port "$1") || exit
	shift
	# ssh looks for its socket by a path relative to $run, because the
	# length of a socket's path is limited and a checkout's is not.
	(cd "$run" && exec ssh -q -F none -p "$port" -i ../ssh-key -o IdentitiesOnly=yes \
		-o BatchMode=yes -o ConnectTimeout=20 -o ConnectionAttempts=1 \
		-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null \
		-o ServerAliveInterval=15 -o ServerAliveCountMax=8 \
		-o ControlMaster=auto -o ControlPath="./ssh.%p" -o ControlPersist=yes \
		root@127.0.0.1 "$@" 9>&-)
}

# answers NAME: does the domain answer? Sets its clock on the way, for a restored
# machine still has the time of its snapshot.
answers() {
	in_domain "$1" "date -s @$(now)" </dev/null >/dev/null 2>&1
}

all_answer() {
	for domain in $(cut -d ' ' -f 1 "$run/ports"); do
		began=$(now)
		until answers "$domain"; do
			machine_alive || console_die "QEMU ended while the lab waited for $domain" dom0.console
			[ $(($(now) - began)) -lt $STALL ] ||
				console_die "$domain did not answer for $STALL s" dom0.console
			progress "waiting for $domain to answer"
			sleep 0.1
		done
	done
	progress_end
}

# quote WORD...: for a shell on the other side.
quote() {
	for word; do
		printf "'%s' " "$(printf '%s' "$word" | sed "s/'/'\\\\''/g")"
	done
}

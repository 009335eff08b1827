#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# No command that is sent into the domains is lost. Several at a time run, end in all the ways that
# a command can end, over "lab run" with and without input, and over ssh alone; each must return in
# time, with its output and its exit status. It goes on for some 40 s, and with CHECK=long for 100,000 commands.

# shellcheck disable=SC2016 # the words in quotes are for other shells
top=$(cd "$(dirname "$0")/../../.." && pwd -P)
lab=$top/common/lab/lab
work=$top/.build/tests/channel.t
. "$top/common/tests/lib/tap.sh"
build=$(cd "${LAB_BUILD:-$top/.build/lab}" && pwd -P)
run=$build/run.${LAB_NAME:-lab}
rm -rf "$work" && mkdir -p "$work/bin" || exit
export lab work LAB_TIMEOUT=120
limit=150		# seconds: what comes later than LAB_TIMEOUT says is lost

# -- a command that ends at once -------------------------------------------------

# Its watcher is told of its end before it has begun. The ssh here is none, and a command that may
# read its input has one.
ends_at_once() {
	printf '#!/bin/sh\nexit 7\n' >"$work/bin/ssh" && chmod +x "$work/bin/ssh" || return
	for try in $(seq 100); do
		PATH=$work/bin:$PATH LAB_TIMEOUT=10 timeout 20 "$lab" run dom0 true <"$work/empty"
		status=$?
		[ $status -eq 7 ] || { echo "command $try of 100 returned $status after its ssh had returned 7"; return 1; }
	done
}

# -- an ssh that is killed -------------------------------------------------------

connection() { "$lab" run dom0 'echo $SSH_CONNECTION' <"$input"; }

# killed INPUT: its command is still there, and what ends on a connection may end what begins on it.
killed() {
	export input="$1"
	before=$(connection) && [ "$before" = "$(connection)" ] || { echo "a connection is not used again"; return 1; }
	rm -f "$work/begun"
	perl -e '
		my $pid = fork // die;
		if (!$pid) { setpgrp; exec "sh", "-c", q("$lab" run dom0 "echo begun; sleep 3" <"$input" >"$work/begun") }
		for (1 .. 600) { last if -s "$ENV{work}/begun"; select undef, undef, undef, 0.1 }
		kill "KILL", -$pid;
		waitpid $pid, 0'
	grep begun "$work/begun" && after=$(connection) || return
	! echo "$after" | grep -vxE '[0-9. ]+' || { echo "is what the next command printed"; return 1; }
	[ "$after" != "$before" ] || { echo "the next command was sent over the connection $before, too"; return 1; }
}

# -- many ------------------------------------------------------------------------

# kind NUMBER PATH: sets command, and the output and the status that it must have.
kind() {
	status=0 wanted=''
	case $1$2 in
	0[a-z]*) command=true ;;
	1[a-z]*) command='echo one' wanted=one ;;
	2[a-z]*) command='exit 3' status=3 ;;
	3[a-z]*) command='echo out; echo err >&2; exit 4' wanted='out
err' status=4 ;;
	4[a-z]*) command='sleep 0.3 >/dev/null 2>&1 & echo behind' wanted=behind ;;
	5[a-z]*) command='sleep 0.1 & echo held' wanted=held ;;
	6[a-z]*) command='(usleep 30000; echo late) & wait; echo end' wanted='late
end' ;;
	7[a-z]*) command='head -c 200000 /dev/zero | tr "\0" x | wc -c; seq 3000 | tail -n 1' wanted='200000
3000' ;;
	8[a-z]*) command='seq 6000' wanted=$thousands ;;
	9[a-z]*) command='cat; exit 123' status=123 ;;
	10[a-z]*) command='exec 2>/dev/null; sh -c "kill -TERM \$\$"; echo $?' wanted=143 ;;
	11[a-z]*) command='exec 2>/dev/null; sh -c "kill -KILL \$\$" & wait $!; echo $?' wanted=137 ;;
	# What ends of a signal: ssh returns 255, and for the lab a shell has waited there.
	12lab | 12input) command='kill -KILL $$' wanted=Killed status=137 ;;
	12ssh) command='kill -KILL $$' status=255 ;;
	esac
}
kinds=13
thousands=$(seq 6000)

# send PATH DOMAIN NUMBER: the command goes that way; its output and its status.
send() {
	case $1 in
	lab) timeout $limit "$lab" run "$2" "$command" </dev/null ;;
	input) timeout $limit "$lab" run "$2" "$command" <"$work/empty" ;;
	*)
		cd "$run" && timeout $limit ssh -F none -p "$(awk -v name="$2" '$1 == name { print $2 }' ports)" -i ../ssh-key \
			-o IdentitiesOnly=yes -o LogLevel=ERROR -o BatchMode=yes -o StrictHostKeyChecking=no \
			-o UserKnownHostsFile=/dev/null -o ControlMaster=auto -o ControlPersist=yes \
			-o ControlPath="./ssh.%p.test$3" root@127.0.0.1 "$command" </dev/null
		;;
	esac 2>&1
}

# worker PATH DOMAIN NUMBER COMMANDS: at most so many, until $deadline, but each kind once; counts
# them, and says what was wrong.
worker() {
	sent=0
	while [ $sent -lt $kinds ] || { [ $sent -lt "$4" ] && [ "$(date +%s)" -lt "$deadline" ]; }; do
		kind $(((sent + $3) % kinds)) "$1"
		began=$(date +%s)
		got=$(send "$1" "$2" "$3")
		was=$?
		sent=$((sent + 1))
		[ "$got" = "$wanted" ] && [ $was -eq "$status" ] || {
			echo "$2, over $1, command $sent of worker $3, after $(($(date +%s) - began)) s: $command"
			echo "    wanted: status $status, $(printf %s "$wanted" | wc -c) bytes; got: status $was," \
				"$(printf %s "$got" | wc -c) bytes, $(printf %s "$got" | head -c 100)"
		} >>"$work/wrong"
		echo $sent >"$work/sent.$3"
	done
}

many() {
	rm -f "$work"/sent.* "$work/wrong"
	workers='' n=0
	for way in lab input ssh; do
		for domain in dom0 domU1; do
			n=$((n + 1))
			worker $way $domain $n "$1" &
			workers="$workers $!"
		done
	done
	# shellcheck disable=SC2086 # one word a process
	wait $workers
	sum=$(awk '{ sum += $1 } END { print sum + 0 }' "$work"/sent.*)
	echo "# $sum commands"
	[ ! -e "$work/wrong" ] || { wc -l <"$work/wrong"; head -n 20 "$work/wrong"; return 1; }
	[ "$sum" -ge "$2" ] || { echo "$sum commands of $2 were sent in time"; return 1; }
}

: >"$work/empty"
"$lab" start || bail_out "the lab does not start"
ok "a command that ends before the lab watches it" ends_at_once
ok "a connection whose shell has lost its near end is not used again" killed /dev/null
ok "a connection whose ssh was killed is not used again" killed "$work/empty"
if [ "${CHECK-}" = long ]; then
	deadline=$(($(date +%s) + 86400))
	ok "100,000 commands" many 16667 100000
else
	deadline=$(($(date +%s) + 40))
	ok "as many commands as there is time for in 40 s" many 16667 $((6 * kinds))
fi
printf '%s\n' "$output" | grep '^#'
for socket in "$run"/ssh.*.test*; do
	(cd "$run" && ssh -F none -o ControlPath="./${socket##*/}" -O exit root@127.0.0.1 2>/dev/null)
done
rm -rf "$work"
done_testing

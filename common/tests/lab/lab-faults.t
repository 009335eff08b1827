#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The lab copes with wrong words, ^C, a killed QEMU, stale files and a damaged snapshot. The test
# has a lab of its own, with everything that the lab keeps, so that it does not disturb another lab,
# and no other lab disturbs what is counted here. lab-faults.t words: only what needs no lab.

# shellcheck disable=SC2016 # the words in quotes are for other shells
set -u
cd "$(dirname "$0")/../../.." || exit
. common/tests/lib/tap.sh
lab=$PWD/common/lab/lab
shared=${LAB_BUILD:-$PWD/.build/lab} other=${LAB_NAME:-lab}
build=$PWD/.build/tests/lab-faults.t
nl='
'
tmp=$(mktemp -d)
trap '"$lab" stop 2>/dev/null; rm -rf "$tmp" "$build"' EXIT
trap 'exit 130' INT TERM HUP

# signalled SIGNAL SECONDS COMMAND...: sends the signal to all of the command's process
# group, as ^C does, so many seconds after $until is true; prints status and words.
until='[ -s "$LAB_BUILD/run.$LAB_NAME/pid" ]'	# there is a QEMU
signalled() {
	until=$until perl -e '
		my ($signal, $seconds, @command) = @ARGV;
		my $pid = fork // die;
		if (!$pid) { setpgrp; $SIG{INT} = "DEFAULT"; exec @command }
		for (1 .. 600) { last unless system $ENV{until}; select undef, undef, undef, 0.1 }
		select undef, undef, undef, $seconds;
		kill $signal, -$pid;
		waitpid $pid, 0;
		print $? & 127 || $? >> 8, "\n"' "$@" 2>"$tmp/said"
	cat "$tmp/said"
}

# within SECONDS COMMAND...: it ends by then.
within() {
	timeout "$@"
}

# starts_without TEXT: the lab starts and does not say that.
starts_without() {
	"$lab" start 2>"$tmp/said" && ! grep "$1" "$tmp/said"
}

qemu() {
	cat "$build/run.faults/pid" 2>/dev/null
}

# QEMUs that stay in this lab's directory, be it there or removed.
qemus() {
	for p in $(pgrep '^qemu-system-'); do readlink "/proc/$p/cwd"; done | grep -c "^$build/run.faults"
}

rm -rf "$build"
mkdir -p "$build"
export LAB_BUILD="$build" LAB_NAME=faults

# -- wrong words: one line, status 64, nothing started -----------------------------

for words in 'frobnicate' 'start 0' 'start 9' 'start x' 'start 1 2' 'reset 9' 'stop now' 'status x' \
	'run' 'run dom0' 'put dom0 x' 'get dom0 x' 'shell' 'monitor' 'console' 'console dom7' 'printed' 'printed dom7' \
	'printed dom0 many' 'domains x'; do
	# shellcheck disable=SC2086 # the words are words
	ok "lab $words: a usage error" says 64 'lab: ' "$lab" $words
done
ok "lab run with an empty command: a usage error" says 64 'usage: lab run' "$lab" run dom0 ''
ok "lab put with an empty directory" says 64 'usage: lab put' "$lab" put dom0 /etc/hostname ''
ok "lab get with an empty file" says 64 'usage: lab get' "$lab" get dom0 '' /tmp
ok "lab printed with an empty number" says 64 "LINES is a number: not ''" "$lab" printed dom0 ''
ok "make lab-run without CMD says what to type" says 2 "make lab-run DOMAIN=dom0 CMD='xl list'" make -s lab-run DOMAIN=dom0
for words in lab-put lab-get; do
	ok "make $words without TO says what to type" says 2 "make $words DOMAIN=domU1 FILE=file TO=directory" \
		make -s $words DOMAIN=domU1 FILE=/etc/hostname
done
for name in A 'a b' ../x; do
	ok "LAB_NAME=$name: a usage error" says 64 LAB_NAME env LAB_NAME="$name" "$lab" start
done
ok "LAB_KERNEL=popcorn: a usage error" says 64 LAB_KERNEL env LAB_KERNEL=popcorn "$lab" start
ok "a debug kernel that there is none of: a usage error" says 64 'one of: dbg kasan kcsan' common/lab/kernels/build base
for number in 0 9 two 2x; do
	ok "LAB_CPUS=$number: a usage error" says 64 LAB_CPUS env LAB_CPUS=$number "$lab" start
done
ok "LAB_CPUS and a clock that counts instructions: a usage error" says 64 LAB_CPUS \
	env LAB_CPUS=2 LAB_CLOCK=instructions "$lab" start
for setting in LAB_CLOCK=sundial LAB_GUEST=hvm LAB_XENSTORED=memory LAB_CPUS=two LAB_SUITE=buster LAB_ARCH=vax LAB_DOM0_KERNEL=kasan; do
	for words in start reset status; do
		ok "$setting: lab $words is a usage error" says 64 "${setting%=*} .*${setting#*=}" env $setting "$lab" $words
	done
done
is "$(qemus)" 0 "nothing was started"
is "$(ls -A "$build")" "" "and nothing was fetched or made"
ok "run without a lab says so" says 1 'not running' "$lab" run dom0 true
ok "stop without a lab says so" says 0 'not running' "$lab" stop
ok "status without a lab says so" says 0 'not running' "$lab" status
ok "status and packages before there are images" env LAB_BUILD="$tmp/build" sh -c '
	"$1" status 2>&1 | grep "not made yet" && ! "$1" packages && "$1" remove && [ ! -e "$LAB_BUILD" ]' sh "$lab"
mkdir "$tmp/build"
LAB_BUILD="$tmp/build" "$lab" stop
echo precious >"$tmp/build/mine"
ok "remove leaves what is not the lab's" env LAB_BUILD="$tmp/build" sh -c '
	"$1" remove && [ "$(ls "$LAB_BUILD")" = mine ]' sh "$lab"
mkdir -p "$tmp/home/images/holiday" "$tmp/home/making"
touch "$tmp/home/images/holiday/1.jpg" "$tmp/home/making/thesis.tex"
was=$(find "$tmp/home")
for words in remove start stop status headers; do
	ok "LAB_BUILD with somebody's files: lab $words says what to type" says 64 "LAB_BUILD=$tmp/home/lab" \
		env LAB_BUILD="$tmp/home" "$lab" $words
done
is "$(find "$tmp/home")" "$was" "and leaves them alone"
touch "$tmp/home/ssh-key"
ok "images and keys that were copied there are a lab's" says 0 'not running' env LAB_BUILD="$tmp/home" "$lab" status
ok "LAB_BUILD=relative: what to type" says 64 "LAB_BUILD=$tmp/relative" sh -c 'cd "$2" && LAB_BUILD=relative "$1" status' sh "$lab" "$tmp"
ok "and no such directory is made" test ! -e "$tmp/relative"
[ "${1-}" != words ] || { done_testing; exit; }

# -- starts that are interrupted -------------------------------------------------

# The images take long to make: they are the other labs', by another name.
LAB_BUILD="$shared" LAB_NAME="$other" "$lab" start && cp -al "$shared"/images "$shared"/ssh-key* "$build" ||
	bail_out "there are no images"
ok "the lab starts" "$lab" start
for setting in LAB_GUEST=hvm LAB_SUITE=buster LAB_CPUS=two; do
	ok "reset with $setting: a usage error" says 64 "${setting%=*}" env $setting "$lab" reset
done
ok "which leaves the lab as it is" says 0 'running already' "$lab" start
snapshots() {
	find "$build/images" -name '*.zst' | sort
}
"$lab" stop
mv "$build"/images/*/snapshots "$tmp/"
is "$(signalled INT 4 "$lab" start | grep -E '^[0-9]|interrupted')" \
	"130${nl}lab: interrupted: nothing is left running; the same command starts again" "^C during a cold boot"
is "$(qemus) $(snapshots)" "0 " "no QEMU and no snapshot is left of it"
ok "the next start boots" says 0 'ready after' "$lab" start
is "$(snapshots | grep -c .)" 1 "and keeps a snapshot"
"$lab" stop
is "$(signalled TERM 0.2 "$lab" start | head -n 1)" 143 "SIGTERM during a restore"
is "$(qemus) $(snapshots | grep -c .)" "0 1" "no QEMU is left of it, and the snapshot is"
ok "the next start restores" starts_without booting

# -- run: statuses and streams ---------------------------------------------------

is "$(for s in 0 1 2 63 64 124 126 127 128 141 254 255; do "$lab" run dom0 "exit $s"; printf '%s ' $?; done)" \
	"0 1 2 63 64 124 126 127 128 141 254 255 " "exit statuses come through"
ok "a command that is killed: 128 + signal" says 143 '' "$lab" run domU 'kill $$'
ok "a command that is not there: 127" says 127 'not found' "$lab" run domU nothing-of-that-name
ok "a wrong domain" says 64 'it has: dom0 domU1' "$lab" run domU7 true
ok "a command that is too long" says 1 'at most 9000 bytes' "$lab" run dom0 "$(head -c 10000 /dev/zero | tr '\0' :)"
is "$("$lab" run dom0 'echo out; echo err >&2' 2>/dev/null)" out "standard output apart"
is "$("$lab" run dom0 'echo out; echo err >&2' 2>&1 >/dev/null)" err "standard error apart"
is "$("$lab" run domU printf '[%s]' 'a b' "it's" '' "$nl" '$x*' -n)" "[a b][it's][][$nl][\$x*][-n]" "words stay words"
head -c 3000000 /dev/urandom >"$tmp/bytes"
ok "3 MB of any bytes in and out" sh -c '"$1" run domU cat <"$2" | cmp - "$2"' sh "$lab" "$tmp/bytes"
{ cat "$tmp/bytes"; printf '\0end\0'; } >"$tmp/zeros"
"$lab" put dom0 "$tmp/zeros" /tmp
ok "any bytes out, of a command without input" sh -c '"$1" run dom0 "cat /tmp/zeros" </dev/null | cmp - "$2"' sh "$lab" "$tmp/zeros"
is "$("$lab" run dom0 'sleep 0.5; printf late >&2' 2>&1 >/dev/null </dev/null)" late "and what it says on standard error at its end"
is "$(for i in $(seq 100); do "$lab" run dom0 "echo $i; exit $i" </dev/null; [ $? -eq "$i" ] || echo lost; done | paste -sd ' ')" \
	"$(seq 100 | paste -sd ' ')" "100, one after the other: each has its output and its status"
ok "the shell that runs the commands is killed: 255" says 255 'shell in dom0 that ran the command has ended' sh -c '"$1" run dom0 "kill -KILL \$PPID" </dev/null' sh "$lab"
is "$("$lab" run dom0 'echo again' </dev/null)" again "and the next has another shell"
is "$("$lab" run dom0 'cat; echo end' <&-)" end "standard input closed"
is "$("$lab" run dom0 yes | head -n 1)" y "a reader that leaves ends the command"
ok "something left in the background is not waited for" within 5 "$lab" run dom0 'sleep 601 >/dev/null 2>&1 &'
"$lab" run dom0 'killall sleep'
for round in 1 2 3; do
	is "$(for i in $(seq 20); do "$lab" run domU "sleep 0.$i; echo $i" & done | sort -n | paste -sd ' ')" \
		"$(seq 20 | paste -sd ' ')" "20 at once, round $round"
done

# -- run: what never ends -------------------------------------------------------

is "$(echo in | LAB_TIMEOUT=2 "$lab" run dom0 'cat; sleep 602 & setsid sleep 603 & sleep 604' 2>"$tmp/said"; echo $?)" \
	"in${nl}124" "LAB_TIMEOUT ends it with 124, and its streams work"
ok "and says so" grep 'the command in dom0 timed out after 2 s and was stopped' "$tmp/said"
ok "LAB_TIMEOUT does not outlive the command" within 5 sh -c 'LAB_TIMEOUT=30 "$1" run dom0 true | cat' sh "$lab"
ok "a bad LAB_TIMEOUT" says 64 LAB_TIMEOUT env LAB_TIMEOUT=soon "$lab" run dom0 true
export lab
until='"$lab" run dom0 "ps | grep -q \"[s]leep 606\""'
is "$(signalled INT 0.2 "$lab" run dom0 'sleep 605 & sleep 606' | head -n 1)" 130 "^C during a run"
is "$("$lab" run dom0 'ps | grep "[s]leep 60"')" "" "nothing of these is left in dom0"

# -- put and get ----------------------------------------------------------------

mkdir -p "$tmp/in/a directory/empty" "$tmp/out"
for name in 'a space' -dash "it's" "new${nl}line" 'back\slash' "a directory/-f"; do echo "$name" >"$tmp/in/$name"; done
: >"$tmp/in/nothing"
cp "$tmp/bytes" "$tmp/in/"
"$lab" run domU 'mkdir "/tmp/a place"'
ok "put awkward names" sh -c 'cd "$2/in" && "$1" put domU * "/tmp/a place"' sh "$lab" "$tmp"
ok "get them" "$lab" get domU "/tmp/a place" "$tmp/out"
ok "they are the same" diff -r "$tmp/in" "$tmp/out/a place"
echo more >"$tmp/out/a place/mine"
ok "get them again, over what is there" "$lab" get domU "/tmp/a place" "$tmp/out"
is "$(ls -A "$tmp/out") $(diff -r "$tmp/in" "$tmp/out/a place")" "a place Only in $tmp/out/a place: mine" "which adds nothing and takes nothing away"
echo old >"$tmp/out/zeros"
ok "get what there is no room for" says 1 'could not be copied whole' \
	sh -c 'trap "" XFSZ; ulimit -f 1000; exec "$1" get dom0 /tmp/zeros "$2"' sh "$lab" "$tmp/out"
is "$(ls -A "$tmp/out"; cat "$tmp/out/zeros")" "a place${nl}zeros${nl}old" "what was there is what it was"
ok "get it where there is room" "$lab" get dom0 /tmp/zeros "$tmp/out"
ok "it is the same" cmp "$tmp/zeros" "$tmp/out/zeros"
ok "put over what is there" "$lab" put domU "$tmp/in/bytes" "/tmp/a place"
ok "put what is not there" says 1 'there is no file' "$lab" put domU "$tmp/nowhere" /tmp
ok "get what is not there" says 1 'there is no file' "$lab" get domU /nowhere "$tmp"
ok "put to no directory" says 1 'there is no directory' "$lab" put domU "$tmp/bytes" /nowhere
head -c 60000000 /dev/zero >"$tmp/large"
ok "put more than there is room for" says 1 'not the same' "$lab" put domU "$tmp/large" /tmp
ok "the domU goes on" "$lab" run domU 'rm /tmp/large'

# -- QEMU is killed, stopped, forgotten; files are stale ---------------------------

kill -STOP "$(qemu)"
ok "a QEMU that hangs: status tells" says 0 'dom0 does not answer' "$lab" status
kill -KILL "$(qemu)"
sleep 0.5
ok "a QEMU that is gone: run tells" says 1 'not running' "$lab" run dom0 true
ok "start clears it away" says 0 'did not end properly' "$lab" start
rm -rf "$build/run.faults"
ok "a lab whose directory was removed" "$lab" start
is "$(qemus)" 1 "is ended by the next start"
"$lab" stop
is "$(pgrep -f "^ssh: ./ssh" | while read -r p; do readlink "/proc/$p/cwd"; done | grep -c "^$build/run.faults")" 0 "no ssh is left after stop"

sleep 100 &
mkdir "$build/run.faults"
echo $! >"$build/run.faults/pid"
: >"$build/run.faults/ready"
: >"$build/run.faults/monitor"
ok "a stale pid is not a lab" says 0 'not running' "$lab" status
ok "a start beside it" "$lab" start
ok "and the process that has the pid lives" kill $!

"$lab" stop
truncate -s -1000000 "$(snapshots)"
ok "a truncated snapshot: said, and booted" says 0 'snapshot is damaged' "$lab" start
"$lab" stop
is "$(qemus)" 0 "no QEMU is left"

done_testing

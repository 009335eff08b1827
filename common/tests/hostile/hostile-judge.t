#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The judge of the hostile peers finds each fault that is planted, and none where there is none. The
# cases are honest to the driver. Those that plant a fault are judged wrong, for that reason; those
# that plant nothing are accepted, before and after. PLANTS='hog busy' runs only these.

. "$(dirname "$0")/../lib/hostile.sh"
stage=03-shared-memory
stages=$stage

# -- what is planted -----------------------------------------------------------

# A kernel thread that takes all the time there is, as a module for the victim.
make_hog() {
	tree=$work/hog
	rm -rf "$tree"
	mkdir -p "$tree"
	cp "$hostile/hog/hog.c" "$tree"
	echo 'obj-m := hog.o' >"$tree/Kbuild"
	make -s -C "$("$lab" headers)" M="$tree" KCFLAGS=-Werror modules && without_debug "$tree/hog.ko" &&
		cp "$tree/hog.ko" "$work/kit"
}

# plant NAME WRONG [HEADER...]: a case of this side, and what the judge is to say of it. The
# lines that plant come on standard input, after an honest connection has sent five bytes.
plant() {
	case " ${PLANTS-$1} " in *" $1 "*) ;; *) return ;; esac
	name=90-$side-$1 words=$2
	shift 2
	{
		echo '# SPDX-License-Identifier: GPL-2.0'
		[ $# -eq 0 ] || printf '#: %s\n' "$@"
		printf '%s\n' 'pages planted' connect 'send 5 120' 'user open:rw read:5' 'saw read 5 xxxxx' closed leave
		cat
	} >"$work/kit/hostile/cases/$name"
	printf '%s %s\n' "$name" "$words" >>"$work/planted.$side"
}

# What is let run in the victim's domain must not hold the shell there.
aside='>/dev/null 2>&1 </dev/null &'

# What does not depend on who is who. (The time of a thread that is gone is not known any
# more: the hog stays.)
plant_first() {
	plant fine nothing </dev/null
	plant warning "the victim's log" <<-'CASE'
		there echo 'WARNING: CPU: 0 PID: 1 at planted.c:1 planted' >/dev/kmsg
	CASE
	plant hog "the victim's kernel had [0-9]* ticks" <<-'CASE'
		there insmod /tmp/kit/hog.ko seconds=9
		sleep 9500
	CASE
}

plant_last() {
	plant busy "the victim is busy" <<-CASE
		there rmmod hog; setsid sh -c 'while :; do :; done' $aside
	CASE
}

# In dom0, which is the victim here. What is kept is kept until the lab ends.
plant_in_backend() {
	plant oops "the victim's log" <<-'CASE'
		there echo 'Oops: 0002 [#1] planted' >/dev/kmsg
	CASE
	plant flood "the victim's log has [1-9][0-9]* lines" <<-'CASE'
		there for i in 1 2 3 4 5 6 7 8 9 10; do for j in 1 2 3 4 5 6 7; do echo planted >/dev/kmsg; done; done
	CASE
	plant silence "the victim's log should have it another number of times" 'log 1 planted' </dev/null
	plant not-so "it is not as the case expects" <<-'CASE'
		expect 1==2
	CASE
	plant channel "the ledger is" <<-CASE
		there printf '%s\\n' 'alloc port 0' 'here touch /tmp/kept' 'sleep 9000000' >/tmp/keep; setsid /tmp/kit/evil --backend @(domid) /tmp/keep $aside
		there until [ -e /tmp/kept ]; do usleep 10000; done; rm /tmp/kept
	CASE
	plant mapping "the ledger is" <<-CASE
		share planted 1
		there printf '%s\\n' 'pages x' 'map x @(planted.ref)' 'here touch /tmp/kept' 'sleep 9000000' >/tmp/keep; setsid /tmp/kit/evil --backend @(domid) /tmp/keep $aside
		there until [ -e /tmp/kept ]; do usleep 10000; done; rm /tmp/kept
	CASE
	# From here on a stream may be cut off, and the next one finds the rest of it.
	plant fine-again nothing </dev/null
	plant byte "bytes do not flow" <<-'CASE'
		there printf x >/dev/mydevice@(domid).@(1-device)
	CASE
	plant states "the states in the end are" <<-'CASE'
		write my/state 1
		await their/state 2
	CASE
	plant connect "the next honest connect" <<-'CASE'
		there echo mydevice-@(domid)-@(device) >/sys/bus/xen-backend/drivers/mydeviceback/unbind
	CASE
	plant interrupt "the victim holds" <<-'CASE'
		fresh
		grant
		publish
		write my/state 3
		await their/state 4
		write my/state 4
	CASE
}

# -- the judgement of the judge --------------------------------------------------

# judged_right CASE WORDS: is wrong, and for this reason; or nothing is.
judged_right() {
	verdict=$(sed -n "/^case $1\$/,/^took/p" "$work/said")
	case $2 in
	nothing)
		has "$verdict" '^took' "$side: $1 is judged" || return
		is "$(printf '%s\n' "$verdict" | grep -A 5 '^wrong')" "" "$side: $1 is not wrong"
		;;
	*) has "$verdict" "^wrong: $2" "$side: $1 is wrong: $2" ;;
	esac
}

judge_planted() {
	fresh_lab
	prepare && begin_attack "$side" || return
	# shellcheck disable=SC2046 # one word a case
	LAB_TIMEOUT=3600 in_dom0 "ln -sfn $stage /tmp/kit/stage; patience=10 stream_seconds=30 sh /tmp/kit/hostile/judge $side $stage $guest $(cut -d ' ' -f 1 "$work/planted.$side" | paste -sd ' ')" >"$work/said" 2>&1 ||
		fail "$side: the judge comes to the end" "$(tail -n 20 "$work/said")"
	while read -r name words <&3; do
		judged_right "$name" "$words"
	done 3<"$work/planted.$side"
}

make_hostile_kit
ok "a hog can be built" make_hog || bail_out "there is nothing to plant"
for side in front back; do
	: >"$work/planted.$side"
	plant_first
	[ $side = back ] || plant_in_backend
	plant_last
	for case in "$work/kit/hostile/cases/90-$side"-*; do
		ok "${case##*/} can be run" "$work/evil" --check "$hostile/protocol/$side-03" "$case"
	done
done
for side in front back; do
	judge_planted
done
"$lab" stop 2>/dev/null
done_testing

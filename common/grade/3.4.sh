# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0
#
# A producer that loses a wake-up.

load
# Those that were taken before count for nothing.
earlier=$(in_back "cat $back_class/bytes_received")
all=3000000

# moved: how many bytes dom0 has taken, when that no longer changes or all are there.
moved() {
	in_back "last=-1 still=0
		for try in \$(seq 200); do
			now=\$((\$(cat $back_class/bytes_received) - $earlier))
			[ \$now != $all ] || break
			if [ \$now = \$last ] && [ \$now != 0 ]; then still=\$((still + 1)); else still=0; fi
			[ \$still -lt 8 ] || break
			last=\$now
			sleep 0.5
		done
		echo \$now"
}

# In gulps: the ring is full when the writer looks, and empty a moment later.
in_back "setsid sh -c 'echo \$\$ >/tmp/reader; exec 3<$back_file
		while :; do dd bs=262144 count=1 <&3; usleep 300000; done' >/dev/null 2>&1 </dev/null &"
in_front "setsid head -c $all /dev/zero >$front_file 2>/dev/null </dev/null &"
before=$(moved)
if [ "$before" = $all ]; then
	fail "bytes of $all after which it stands still" all "fewer"
else
	pass "bytes of $all after which it stands still" "$before"
	in_front "cat /sys/kernel/debug/${driver}front/$driver-0" | sed 's/^/#   /'
	in_back "echo 1 >$back/notify"
	between "bytes after dom0 has rung by hand" "$(moved)" $((before + 1)) ''
fi
in_front "killall head 2>/dev/null; true"
in_back "kill \$(cat /tmp/reader); killall dd 2>/dev/null; true"

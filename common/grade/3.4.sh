# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0
#
# A producer that loses a wake-up.

load
# Those that were taken before count for nothing.
earlier=$(in_back "cat $back_class/bytes_received")
# moved: how many bytes dom0 has taken, when that no longer changes or all are there.
moved() {
	in_back "last=-1; for try in \$(seq 60); do
			now=\$((\$(cat $back_class/bytes_received) - $earlier))
			[ \$now != 1000000 ] || break
			if [ \$now = \$last ] && [ \$now != 0 ]; then still=\$((still + 1)); else still=0; fi
			[ \$still -lt 6 ] || break
			last=\$now
			sleep 0.5
		done
		echo \$now"
}
in_back "setsid cat $back_file >/tmp/got 2>&1 </dev/null &"
in_front "setsid head -c 1000000 /dev/zero >$front_file 2>/dev/null </dev/null &"
before=$(moved)
if [ "$before" = 1000000 ]; then
	fail "bytes of 1,000,000 after which it stands still" all "fewer"
else
	pass "bytes of 1,000,000 after which it stands still" "$before"
	in_front "cat /sys/kernel/debug/${driver}front/$driver-0" | sed 's/^/#   /'
	in_back "echo 1 >$back/notify"
	between "bytes after dom0 has rung by hand" "$(moved)" $((before + 1)) ''
fi
in_front "killall head 2>/dev/null; true"
in_back "killall cat 2>/dev/null; true"

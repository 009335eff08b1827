# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0
#
# Messages with an event and an answer each.

load
in_front "test -w $front/message" && in_back "test -w $back/message" ||
	{ fail "a file message in the directory of each end in /sys" "" "one at each end"; finish; }

# arrives END TEXT: what the file message has there, as soon as that is TEXT; or after 10 s.
arrives() {
	case $1 in front) file=$front ;; back) file=$back ;; esac
	"in_$1" "for try in \$(seq 200); do
			[ \"\$(cat $file/message)\" != '$2' ] || break
			usleep 50000
		done
		cat $file/message"
}
# read_by_other END N
read_by_other() {
	case $1 in front) file=$front ;; back) file=$back ;; esac
	"in_$1" "for try in \$(seq 200); do [ \$(cat $file/messages_read) != $2 ] || break; usleep 50000; done; cat $file/messages_read"
}
in_front "echo 'hello, dom0' >$front/message"
is "the guest's message in dom0" "$(arrives back 'hello, dom0')" 'hello, dom0'
is "messages_read in the guest" "$(read_by_other front 1)" 1
in_back "echo 'hello, guest' >$back/message"
is "dom0's message in the guest" "$(arrives front 'hello, guest')" 'hello, guest'

# Both at the same moment, many times.
in_back "for i in \$(seq 20); do echo both \$i >$back/message; done" &
in_front "for i in \$(seq 20); do echo both \$i >$front/message; done"
wait $!
is "the last of the guest's messages, when both ring at once" "$(arrives back 'both 20')" 'both 20'
is "the last of dom0's" "$(arrives front 'both 20')" 'both 20'
is "the last that dom0 has read, says messages_read in the guest" "$(read_by_other front 21)" 21
is "the last that the guest has read, in dom0" "$(read_by_other back 21)" 21

long=$(head -c 250 /dev/zero | tr '\0' m)
took=$(in_front "cd $front; begun=\$(cut -d ' ' -f 1 /proc/uptime); n=\$(cat messages_read)
	for i in \$(seq 20); do
		echo $long >message; n=\$((n + 1))
		while [ \$(cat messages_read) -lt \$n ]; do usleep 1000; done
	done
	echo \$(cut -d ' ' -f 1 /proc/uptime) \$begun | awk '{ print \$1 - \$2 }'")
note "20 messages of 250 bytes, each read before the next, took $took s: $(awk "BEGIN { printf \"%d\", 5000 / $took }") bytes a second"

# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0
#
# A reader that takes one byte at a time.

load
# counts COMMAND: what the backend counts while it reads 1,000 bytes that are there already: moves,
# events, and ms.
counts() {
	in_front "head -c 1000 /dev/zero >$front_file"
	in_back "cd $back_class; set -- \$(cat events_suppressed device/events_sent)
		begun=\$(sed 's/ .*//' /proc/uptime)
		$1 <$back_file >/tmp/got 2>/dev/null
		ended=\$(sed 's/ .*//' /proc/uptime)
		echo \$((\$(cat events_suppressed) - \$1)) \$((\$(cat device/events_sent) - \$2)) \$(echo \$ended \$begun | awk '{ print (\$1 - \$2) * 1000 }') \$(wc -c </tmp/got)"
}
# shellcheck disable=SC2046 # a word each
set -- $(counts 'head -c 1000')
measured "head: events_suppressed" "$1"
measured "head: events_sent" "$2"
note "head took $3 ms"
# shellcheck disable=SC2046 # a word each
set -- $(counts 'dd bs=1 count=1000')
measured "dd: bytes read" "$4"
measured "dd: events_suppressed" "$1"
measured "dd: events_sent" "$2"
note "dd took $3 ms"

# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0
#
# Nine readers, and a backend that does not answer.

load
rtc=$(in_front "ls $front/rtc")
# reader SECONDS: how it ends; one that takes longer is killed.
reader() { in_front "timeout -s KILL $1 hwclock -r -f /dev/$rtc 2>&1 | sed 's/.*: //'"; }

in_back "echo 0 >$back/answer"
measured "the first reader gets" "$(reader 60)"
for more in 2 3 4 5 6 7 8; do reader 1 >/dev/null; done
measured "the ninth reader gets" "$(reader 60)"
in_back "echo 1 >$back/answer"
sleep 1
clock=$(reader 60)
like "after the backend has answered" "$clock" 'seconds$' "the time"

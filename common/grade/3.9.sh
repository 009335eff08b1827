# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0
#
# A checksum behind every 4 KiB, if both ends want one.

load
is "feature-checksum in the backend's directory" "$(in_dom0 "xenstore-read $back_nodes/feature-checksum 2>/dev/null")" 1
is "in the frontend's" "$(in_dom0 "xenstore-read $front_nodes/feature-checksum 2>/dev/null")" 1
[ "$failed" -eq 0 ] || finish

# prod: the producer's index of what the guest sent.
prod() { in_front "awk '\$1 == \"sent\" { print \$3 }' /sys/kernel/debug/${driver}front/$driver-0"; }
in_front "head -c 4095 /dev/zero >$front_file"
is "bytes in the ring after 4,095" "$(prod)" 4095
in_front "head -c 4097 /dev/zero >$front_file"
is "after 8,192, with two checksums" "$(prod)" 8200
in_back "head -c 8192 $back_file >/dev/null"
in_front "seq 100000 | head -c 500000 >/tmp/noise; cat /tmp/noise >$front_file" &
is "500,000 bytes that arrive as they were sent" "$(in_back "head -c 500000 $back_file | md5sum")" "$(in_front 'while [ $(wc -c </tmp/noise) -lt 500000 ]; do sleep 0.2; done; md5sum </tmp/noise')"
wait $!

load FRONT=user
is "an old frontend, mydevicepeer: feature-checksum in its directory" "$(in_dom0 "xenstore-read $front_nodes/feature-checksum 2>/dev/null")" ''
in_front "head -c 5000 /dev/zero | tr '\\0' z >/run/${driver}0/in"
is "bytes of 5,000 that arrive from it" "$(in_back "head -c 5000 $back_file | tr -d '\\n' | tr -cd z | wc -c")" 5000

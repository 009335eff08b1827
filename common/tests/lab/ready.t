#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The lab is "ready" only when a command has run in every domain. If a guest has half of its root,
# the start fails with the last lines of its console, and keeps no snapshot.

top=$(cd "$(dirname "$0")/../../.." && pwd -P)
lab=$top/common/lab/lab
work=$top/.build/tests/ready.t
. "$top/common/tests/lib/tap.sh"
unset LAB_SUITE LAB_ARCH LAB_KERNEL LAB_GUEST LAB_XENSTORED

# half_a_root NAME: images of its own, of which that one is cut in the middle.
half_a_root() {
	rm -rf "$work" && mkdir -p "$work" && cp -al "$kept" "$work/images" && cp -al "${kept%/*}"/ssh-key* "$work" || return
	rm -rf "$work"/images/*/snapshots
	for file in "$work"/images/*/"$1.cpio"; do
		head -c $(($(wc -c <"$file") / 2)) "$file" >"$file.half" && mv "$file.half" "$file" || return
	done
}

no_snapshot() { [ -z "$(find "$work/images" -name '*.zst')" ]; }

images=$("$lab" images) || bail_out "there are no images"
kept=${images%/*}
for role in dom0 domU; do
	ok "$role has half of its root" half_a_root $role
	ok "the lab does not start, and says why" says 1 'the start failed|no command could be run|QEMU ended' \
		env LAB_BUILD="$work" LAB_NAME=ready "$lab" start
	has "$output" "the last lines of $role.console" "with the last lines of $role's console"
	ok "no snapshot is kept" no_snapshot
	ok "nothing runs" says 0 'not running' env LAB_BUILD="$work" LAB_NAME=ready "$lab" status
done
rm -rf "$work"
done_testing

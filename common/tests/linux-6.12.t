#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The other kernel that Debian 12 has, Linux 6.12: does the same source build
# for it? Its headers are fetched and unpacked once, without installing them.

top=$(cd "$(dirname "$0")/../.." && pwd -P)
. "$top/common/tests/tap.sh"
. "$top/common/tests/unpacked.sh"
headers=$top/.build/linux-6.12
work=$top/.build/tests/linux-6.12.t
export LAB_MIRROR="${LAB_MIRROR:-}"
cd "$top" || exit
stages=$(echo 0*-*)

# Only the headers: apt would have the kernel's image come with them.
# shellcheck disable=SC2016 # for the shell that fetches
packages='depends() { apt-cache depends "$1" | sed -n "s/^ *Depends: //p"; }
	newest=$(depends linux-headers-6.12-amd64)
	echo "$newest" $(depends "$newest" | grep -E "^linux-(headers|kbuild)-")'

fetch_headers() {
	unpacked "$headers" bookworm "$packages" settle_headers \
		"The headers of Linux 6.12 are in Debian 12's security archive, as linux-headers-6.12-amd64"
}

# They expect to be in /usr/src. Their vmlinux is for BTF, which pahole would have
# to add to the modules.
settle_headers() {
	set -- "$headers"/debian/usr/src/linux-headers-*-amd64
	sed -i "s,/usr/src/,$headers/debian/usr/src/," "$1/Makefile" &&
		rm -f "$1/vmlinux" &&
		ln -s "${1#"$headers/"}" "$headers/kernel"
}

builds_silently() {
	rm -rf "${work:?}/$1"
	mkdir -p "$work/$1"
	cp "$1/Kbuild" "$1"/mydevice*.[ch] "$work/$1"
	rm -f "$work/$1"/*.mod.c
	make -C "$headers/kernel" M="$work/$1" W=1 C=2 CF=-D__CHECK_ENDIAN__ KCFLAGS=-Werror modules \
		>"$work/$1.log" 2>&1 || { cat "$work/$1.log"; return 1; }
	grep -q 'CHECK ' "$work/$1.log" || { echo "sparse did not run"; return 1; }
	grep -q 'vermagic=6\.12\.' "$work/$1/mydevicefront.ko" || { echo "this is not a module for 6.12"; return 1; }
	! grep -E 'warning|error' "$work/$1.log"
}

ok "the headers of Linux 6.12 can be fetched" fetch_headers || { done_testing; exit 1; }
for stage in $stages; do
	ok "$stage: builds for Linux 6.12, W=1 and sparse are silent" builds_silently "$stage"
	ok "$stage: no line depends on the kernel's version" \
		sh -c "! grep -n -E 'KERNEL_VERSION|LINUX_VERSION_CODE|linux/version\.h' $stage/*.[ch]"
done
done_testing

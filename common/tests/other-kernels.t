#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The other kernels that this Debian has (common/platforms): does the same source build for
# them? Their headers are fetched and unpacked once, without installing them.

top=$(cd "$(dirname "$0")/../.." && pwd -P)
. "$top/common/tests/tap.sh"
. "$top/common/tests/platform.sh"
work=$top/.build/tests/other-kernels.t
unset KDIR
cd "$top" || exit
stages=$(echo 0*-*)

other_kernels() {
	platform_names kernel | tr ' ' '\n' | sed -n "s,^$suite/,,p" | grep -Fxv "$linux"
}

# builds_silently STAGE LINUX
builds_silently() {
	rm -rf "${work:?}/$1"
	mkdir -p "$work/$1"
	cp "$1/Kbuild" "$1"/mydevice*.[ch] "$work/$1"
	rm -f "$work/$1"/*.mod.c
	make -C "$headers" M="$work/$1" W=1 C=2 CF=-D__CHECK_ENDIAN__ KCFLAGS=-Werror modules \
		>"$work/$1.log" 2>&1 || { cat "$work/$1.log"; return 1; }
	grep -q 'CHECK ' "$work/$1.log" || { echo "sparse did not run"; return 1; }
	modinfo -F vermagic "$work/$1/mydevicefront.ko" | grep -qF "$2." || { echo "this is not a module for $2"; return 1; }
	! grep -E 'warning|error' "$work/$1.log"
}

has_headers() { [ -e "$(LAB_KERNEL=$1 common/lab/lab headers)/Makefile" ]; }

for kernel in $(other_kernels); do
	ok "the headers of Linux $kernel can be fetched" has_headers "$kernel" || continue
	headers=$(LAB_KERNEL=$kernel common/lab/lab headers)
	for stage in $stages; do
		ok "$stage: builds for Linux $kernel, W=1 and sparse are silent" builds_silently "$stage" "$kernel"
	done
done
for stage in $stages; do
	ok "$stage: no line depends on the kernel's version" \
		sh -c "! grep -n -E 'KERNEL_VERSION|LINUX_VERSION_CODE|linux/version\.h' $stage/*.[ch]"
done
done_testing

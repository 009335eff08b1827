#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The same source builds for the other kernels that this Debian has (common/platforms). Their
# headers are fetched and unpacked once, and not installed.

top=$(cd "$(dirname "$0")/../../.." && pwd -P)
. "$top/common/tests/lib/tap.sh"
. "$top/common/tests/lib/platform.sh"
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
	make -C "$headers" M="$work/$1" PAHOLE_VERSION='$(CONFIG_PAHOLE_VERSION)' \
		W=1 C=2 CF=-D__CHECK_ENDIAN__ KCFLAGS=-Werror modules \
		>"$work/$1.log" 2>&1 || { cat "$work/$1.log"; return 1; }
	[ "$checkers" = "W=1 is" ] || grep -q 'CHECK ' "$work/$1.log" || { echo "sparse did not run"; return 1; }
	modinfo -F vermagic "$work/$1/mydevicefront.ko" | grep -qF "$2." || { echo "this is not a module for $2"; return 1; }
	! grep -E 'warning|error' "$work/$1.log" | grep -v 'C=2 specified'
}

# From Linux 7 on Kbuild asks a script whether sparse can read its headers. Debian's headers come without
# that script, and sparse 0.6.4 crashes on them: there W=1 has to do.
checkers_of() {
	makefile=$(sed -n 's/^include //p' "$headers/Makefile" | head -n 1)
	if grep -qs checker-valid.sh "$makefile" && [ ! -x "${makefile%/*}/scripts/checker-valid.sh" ]; then
		echo "W=1 is"
	else
		echo "W=1 and sparse are"
	fi
}

has_headers() { [ -e "$(LAB_KERNEL=$1 common/lab/lab headers)/Makefile" ]; }

for kernel in $(other_kernels); do
	ok "the headers of Linux $kernel can be fetched" has_headers "$kernel" || continue
	headers=$(LAB_KERNEL=$kernel common/lab/lab headers)
	checkers=$(checkers_of)
	for stage in $stages; do
		ok "$stage: builds for Linux $kernel, $checkers silent" builds_silently "$stage" "$kernel"
	done
done
for stage in $stages; do
	ok "$stage: no line depends on the kernel's version" \
		sh -c "! grep -n -E 'KERNEL_VERSION|LINUX_VERSION_CODE|linux/version\.h' $stage/*.[ch]"
done
done_testing

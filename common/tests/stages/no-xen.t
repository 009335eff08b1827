#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# On a machine without Xen the modules say so and are not loaded. The machine is the domU's kernel
# and root, booted by QEMU alone, with another init.

top=$(cd "$(dirname "$0")/../../.." && pwd -P)
lab=$top/common/lab/lab
work=$top/.build/tests/no-xen.t
. "$top/common/tests/lib/tap.sh"
. "$top/common/tests/lib/platform.sh"

# A second archive after the first replaces and adds files.
make_initrd() {
	rm -rf "$work" && mkdir -p "$work/root" && cp "$top"/03-shared-memory/*.ko "$work/root" || return 1
	cat >"$work/root/init" <<-'INIT'
		#!/bin/sh
		mount -t proc proc /proc
		for end in front back; do
			insmod /mydevice$end.ko 2>&1
			echo "mydevice$end: exit status $?"
		done
		dmesg | grep mydevice
		poweroff -f
	INIT
	chmod +x "$work/root/init"
	(cd "$work/root" && find . | cpio --quiet -o -H newc) >"$work/more.cpio" || return 1
	cat "$images/domU.cpio" "$work/more.cpio" >"$work/initrd"
}

images=$("$lab" images) || bail_out "the lab's images cannot be made"
make -s -C "$top/03-shared-memory" built WHERE=lab >/dev/null 2>&1 || bail_out "03-shared-memory does not build"
ok "a root with the modules in it" make_initrd
case $arch in
amd64) machine=pc console=ttyS0 ;;
arm64) machine=virt console=ttyAMA0 ;;
esac
timeout 120 "$qemu" -machine "$machine" -accel tcg -cpu max -m 256 -nodefaults -display none -no-reboot \
	-serial stdio -kernel "$images/vmlinux" -initrd "$work/initrd" \
	-append "console=$console quiet panic=-1" </dev/null >"$work/console" 2>&1
said=$(tr -d '\r' <"$work/console")
for end in front back; do
	has "$said" "mydevice$end: this is not a Xen domain" "mydevice$end.ko says what is wrong"
	has "$said" "insmod: can't insert '/mydevice$end.ko': No such device" "insmod gets ENODEV"
	has "$said" "^mydevice$end: exit status 1" "and the module is not loaded"
done

done_testing

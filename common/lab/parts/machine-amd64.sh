# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0
#
# What QEMU's PC gets, and how Xen is booted on it.

# The CPU model. Without KVM: dom0 crashes with SMAP; with xsave, QEMU's
# emulation corrupts SSE registers once two domains are busy (common/tests has
# the proof that this model does not); erms and fsrm make the kernel copy with
# "rep movsb", which is emulated a byte at a time.
tcg_cpu=max,-smap,-xsave,-erms,-fsrm

# With LAB_CLOCK=instructions: QEMU 10 ends at the first write to a timer that is an MSR ("Bad icount
# read"), as an x2APIC has it.
counted_cpu=$tcg_cpu,-x2apic

spare_mib=128		# of the machine's memory, for Xen itself

# devices: prints QEMU's words for the two consoles, dom0's network card and the domUs'
# kernel and root.
devices() {
	cat <<-WORDS
		-serial file:dom0.console -serial file:domU.console
		-device virtio-net-pci,netdev=net0,romfile=
		-drive file=$domu_kernel/vmlinux,if=virtio,format=raw,readonly=on
		-drive file=images/domU.cpio,if=virtio,format=raw,readonly=on
	WORDS
}

# boot_xen DOMUS EXTRA...: Xen is a multiboot kernel, dom0's kernel and root are its modules.
boot_xen() {
	machine "$@" -kernel images/xen -append "console=com1 com1=115200 $xen_line" \
		-initrd "$dom0_kernel/vmlinux $dom0_line cryptomgr.notests pmtmr=0,images/dom0.cpio"
}

# incoming DOMUS EXTRA...: a machine that a snapshot is loaded into.
incoming() {
	machine "$@"
}

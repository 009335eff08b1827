# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0
#
# What QEMU's machine "virt" gets, and how Xen is booted on it.

# One that Linux 6.1 has no complaint about (-cpu max and neoverse-n1: a warning of
# arch/arm64/mm/mmu.c, when Xen's balloon driver asks for memory).
tcg_cpu=cortex-a57

# With LAB_CLOCK=instructions: the same. But a processor that waits for another in a loop would go
# on for 2^31 instructions, because Xen has no timer yet. A filter on the network has one, of 1 ms.
counted_cpu=$tcg_cpu
turns='-object filter-buffer,id=slice,netdev=net0,interval=1000'

# For Xen itself, and for the pages of other domains: Linux maps those where the machine has memory
# that belongs to nobody, and wants 128 MiB of it in one piece, at a multiple of that
# (drivers/xen/unpopulated-alloc.c).
spare_mib=384

# devices: prints QEMU's words for the machine, the two consoles, dom0's network card and the
# domUs' kernel and root. The domUs' console is a card, for the machine has one UART, which
# Xen takes. vectors=0: Xen hides the interrupt controller's ITS, so there is no MSI.
devices() {
	cat <<-WORDS
		-machine virt,virtualization=on,gic-version=3
		-serial file:dom0.console
		-chardev file,id=domU,path=domU.console -device pci-serial,chardev=domU
		-device virtio-net-pci,netdev=net0,romfile=,vectors=0
		-drive file=$domu_kernel/vmlinux,if=none,id=kernel,format=raw,readonly=on
		-device virtio-blk-pci,drive=kernel,vectors=0
		-drive file=images/domU.cpio,if=none,id=root,format=raw,readonly=on
		-device virtio-blk-pci,drive=root,vectors=0
	WORDS
}

# boot_xen DOMUS EXTRA...: QEMU tells Xen in the device tree where it has put dom0's kernel and
# root. cma=0: Linux would set 64 MiB aside for devices, of a guest's 128. A comma in a value
# is written twice.
boot_xen() {
	dom0_line=$(echo "$dom0_line lab_console=ttyS0 lab_words=cma=0 cryptomgr.notests cma=0" | sed 's/,/,,/g')
	machine "$@" -kernel images/xen -append "console=dtuart dtuart=/pl011@9000000 $xen_line" \
		-device "guest-loader,addr=0x49000000,kernel=$dom0_kernel/vmlinux,bootargs=$dom0_line" \
		-device guest-loader,addr=0x4d000000,initrd=images/dom0.cpio
}

# incoming DOMUS EXTRA...: a machine that a snapshot is loaded into. It must be the same.
incoming() {
	boot "$@"
}

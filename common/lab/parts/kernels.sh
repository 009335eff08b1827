# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0
#
# Which kernels the domains have, and what kind of guest the domUs are. All have Debian's
# kernel (platform.sh says which); with LAB_KERNEL=dbg, kasan or kcsan the domUs,
# with LAB_DOM0_KERNEL=dbg dom0 has a debug kernel. LAB_GUEST is pv or pvh; Arm has one kind.
# LAB_XENSTORED is the program that serves XenStore.

# choose_kernels: makes them first, if they are not there. Sets what follows from
# the choice: where the kernels are as seen from $run, how much memory the domains
# have, and what dom0 is told of its domUs. platform has looked at the settings.
choose_kernels() {
	dom0_kernel=images dom0_mib=512 dom0_words=
	domu_kernel=images domu_mib=128 domu_words=
	domu_directory=
	case ${LAB_KERNEL-} in
	dbg | kasan | kcsan) domu_directory=$("$lab_dir/kernels/build" "$LAB_KERNEL") || exit ;;
	esac
	dom0_directory=
	[ -z "${LAB_DOM0_KERNEL-}" ] || dom0_directory=$("$lab_dir/kernels/build" "$LAB_DOM0_KERNEL") || exit
	# dom0 must have room for a guest that is saved.
	case ${LAB_KERNEL-} in
	dbg) domu_kernel=kernel.domU dom0_mib=1024 domu_mib=256 domu_words='lab_domu_words=page_poison=1' ;;
	kasan) domu_kernel=kernel.domU dom0_mib=1024 domu_mib=320 domu_words='lab_domu_words=kasan_multi_shot' ;;
	# The barriers in the kernel's own locks are not instrumented: KCSAN must not let accesses pass them.
	kcsan) domu_kernel=kernel.domU dom0_mib=1024 domu_mib=256 domu_words='lab_domu_words=kcsan.weak_memory=0' ;;
	esac
	[ "$guest" != pvh ] || domu_words="${domu_words:+$domu_words }lab_domu_type=$guest"
	domu_words="lab_domu_mib=$domu_mib${domu_words:+ $domu_words}"
	case ${LAB_DOM0_KERNEL-} in
	dbg) dom0_kernel=kernel.dom0 dom0_mib=1024 dom0_words=page_poison=1 ;;
	esac
	[ "$xenstored" = xenstored ] || dom0_words="${dom0_words:+$dom0_words }lab_xenstored=$xenstored"
}

# choose_guest: sets guest. KASAN crashes a PV guest at its first steps.
choose_guest() {
	guest=${LAB_GUEST:-pv}
	if [ "$arch" = arm64 ]; then
		[ -z "${LAB_GUEST-}" ] || die_usage "LAB_GUEST is for amd64: on Arm there is only one kind of guest"
		guest=Arm
		return
	fi
	case ${LAB_KERNEL-},${LAB_GUEST-} in
	kasan,) guest=pvh ;;
	kasan,pv) die_usage "the kernel kasan does not run in PV guests: not with LAB_GUEST=pv" ;;
	esac
	case $guest in
	pv | pvh) ;;
	*) die_usage "LAB_GUEST is pv (the default) or pvh: not '$guest'" ;;
	esac
}

choose_xenstored() {
	xenstored=${LAB_XENSTORED:-xenstored}
	case $xenstored in
	xenstored | oxenstored) ;;
	*) die_usage "LAB_XENSTORED is xenstored (the default) or oxenstored: not '$xenstored'" ;;
	esac
}

check_debug_kernels() {
	case ${LAB_KERNEL-} in dbg | kasan | kcsan) can_have_debug_kernel "LAB_KERNEL=$LAB_KERNEL" ;; esac
	case ${LAB_DOM0_KERNEL-} in
	'') ;;
	dbg) can_have_debug_kernel LAB_DOM0_KERNEL=dbg ;;
	*) die_usage "LAB_DOM0_KERNEL is dbg or not set: not '$LAB_DOM0_KERNEL'" ;;
	esac
}

# can_have_debug_kernel SETTING
can_have_debug_kernel() {
	[ -z "$platform" ] && [ "$arch" = amd64 ] ||
		die_usage "$1: debug kernels are built only on amd64, for amd64, from the suite of this machine"
}

# As machine.sh names them: relative to $run.
link_kernels() {
	ln -sfn "$images" "$run/images"
	[ -z "$domu_directory" ] || ln -sfn "$domu_directory" "$run/kernel.domU"
	[ -z "$dom0_directory" ] || ln -sfn "$dom0_directory" "$run/kernel.dom0"
}

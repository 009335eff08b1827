# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0
#
# What programs for the domains are compiled against (common/cc). Where the domains have this
# machine's suite and processor, that is what is installed. For others the C library and Xen's
# libraries are unpacked into $build, without being installed.

own_programs() { [ "$suite-$arch" = "$host_suite-$host_arch" ]; }

make_sysroot() {
	own_programs && return
	[ ! -e "$build/sysroot.$suite-$arch" ] || return 0
	need_space 200
	making=$build/making
	rm -rf "$making"
	mkdir -p "$making" || die_disk
	say "fetching the libraries of $suite for $arch, without installing them"
	PATH=$own_path mmdebstrap --mode=chrootless --variant=extract --architectures="$arch" \
		--include=libxen-dev,libc6-dev --dpkgopt='path-exclude=/usr/share/*' \
		"$suite" "$making/debian" ${LAB_MIRROR:+"$LAB_MIRROR"} >"$making/mmdebstrap.log" 2>&1 </dev/null 9>&- &
	helper=$!
	while_it_grows "$making" "fetching and unpacking"
	wait $helper || unpacking_failed libraries
	helper=
	# Where /usr is merged, packages rely on a link that base-files' scripts make.
	[ -e "$making/debian/lib" ] || ln -s usr/lib "$making/debian/lib"
	mv "$making/debian" "$build/sysroot.$suite-$arch" && rm -rf "$making" || die_disk
}

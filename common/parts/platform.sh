# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0
#
# What this machine is, and what the lab is to be made of. The table common/platforms has
# what differs. A script that uses this sets platforms, to that file.

# platform_facts KIND NAME: sets a variable for each value of that line in the table.
platform_facts() {
	while read -r kind name values; do
		[ "$kind $name" = "$1 $2" ] || continue
		for value in $values; do eval "${value%%=*}=\${value#*=}"; done
		return 0
	done <"$platforms"
	return 1
}

# platform_names KIND: what the table has.
platform_names() {
	awk -v kind="$1" '$1 == kind { print $2 }' "$platforms" | paste -sd ' '
}

# host_platform: sets host_suite and host_arch, and the facts of both. Fails if the table
# does not have them.
host_platform() {
	host_suite=$(. /etc/os-release 2>/dev/null && echo "${VERSION_CODENAME-}")
	host_arch=$(dpkg --print-architecture 2>/dev/null)
	platform_facts suite "$host_suite" && platform_facts arch "$host_arch"
}

# choose_platform: of LAB_SUITE, LAB_ARCH and LAB_KERNEL sets suite, arch and linux, the
# facts of these, and two names: platform, empty if all is as on this machine, and unpacked,
# empty if the headers are installed. With a value that the table does not have it fails,
# and sets unknown to the words that say so.
choose_platform() {
	unknown=
	host_platform
	host_version=${version-0} host_linux=${linux-} host_llvm=${llvm-} host_bring=${bring-}
	suite=${LAB_SUITE:-$host_suite} arch=${LAB_ARCH:-$host_arch}
	platform_facts suite "$suite" || unknown="LAB_SUITE is one of: $(platform_names suite): not '$suite'"
	platform_facts arch "$arch" || unknown="LAB_ARCH is one of: $(platform_names arch): not '$arch'"
	[ -z "$unknown" ] || return
	case ${LAB_KERNEL-} in
	'' | dbg | kasan | kcsan) ;;
	*) linux=$LAB_KERNEL ;;
	esac
	platform_facts kernel "$suite/$linux" || {
		unknown="LAB_KERNEL is dbg, kasan, kcsan, or a Linux that $suite has ($(platform_names kernel | tr ' ' '\n' |
			sed -n "s,^$suite/,,p" | paste -sd ' ')): not '$linux'"
		return 1
	}
	platform=$suite-$arch-$linux
	unpacked=$platform
	[ "$platform" != "$host_suite-$host_arch-$host_linux" ] || platform=
	[ -n "$platform" ] || [ "$bring" = unpack ] || unpacked=
}

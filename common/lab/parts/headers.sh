# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0
#
# What modules are built against. For this machine's own platform those are the headers that
# are installed; for another suite, kernel or processor they are unpacked into $build,
# without being installed, as they are where installing them would install a kernel, too. The
# release that they are for is the kernel that the lab boots.

headers_directory() {
	if [ -z "$unpacked" ]; then
		echo "/usr/src/linux-headers-$(kernel_release)"
	else
		echo "$build/headers.$unpacked/debian/usr/src/linux-headers-$(kernel_release)"
	fi
}

have_headers() { [ -z "$unpacked" ] || [ -e "$build/headers.$unpacked/release" ]; }

make_headers() {
	! have_headers || return 0
	[ "$version" -le "$host_version" ] ||
		die "the headers of Debian $version's kernels need Debian $version's compiler: this is Debian $host_version."
	need_space 500
	making=$build/making
	rm -rf "$making"
	mkdir -p "$making" || die_disk
	say "fetching the headers of $suite's Linux $linux for $arch, without installing them"
	PATH=$own_path mmdebstrap --mode=chrootless --variant=custom --architectures="$host_arch$([ "$arch" = "$host_arch" ] || echo ",$arch")" \
		--setup-hook="$(also_from_archive)" --essential-hook="$(unpack_headers)" \
		"$suite" "$making/debian" ${LAB_MIRROR:+"$LAB_MIRROR"} >"$making/mmdebstrap.log" 2>&1 </dev/null 9>&- &
	helper=$!
	while_it_grows "$making" "fetching and unpacking"
	wait $helper || unpacking_failed headers
	helper=
	settle_headers || die "the headers in $making could not be prepared"
	rm -rf "$build/headers.$unpacked"
	mv "$making" "$build/headers.$unpacked" || die_disk
}

# unpacking_failed WHAT
unpacking_failed() {
	helper=
	grep -Ei '^Err|^E:|error|no space' "$making/mmdebstrap.log" | tail -n 8 >&2
	die "the $1 could not be fetched and unpacked (see above)." \
		"When the network (or the disk) works again, run the same command again." \
		"A mirror of your own, LAB_MIRROR=http://..., must have $suite${archive:+ and $archive}, too."
}

# unpack_headers: prints the commands for mmdebstrap that fetch what the package of the
# headers depends on, one step at a time: the headers for this kernel; those that all of its kernels
# have; and Kbuild's programs, which run here.
unpack_headers() {
	cat <<-HOOK
		set -e
		cd "\$1"
		export APT_CONFIG="\$MMDEBSTRAP_APT_CONFIG"
		from='${archive:+-o APT::Default-Release=$archive}'
		depends() {
			apt-cache \$from --no-all-versions show "\$1:$arch" | sed -n 's/^Depends: //p' |
				head -n 1 | tr , '\n' | sed -n 's/^ *\(linux-[^ :]*\).*/\1/p'
		}
		newest=\$(depends $headers-$arch | grep '^linux-headers-[0-9]')
		common=\$(depends "\$newest" | grep '^linux-headers-')
		kbuild=\$(depends "\$newest" | grep '^linux-kbuild-')
		apt-get \$from download "\$newest:$arch" \$common \$kbuild:$host_arch
		for deb in *.deb; do dpkg-deb -x "\$deb" .; done
		rm -f *.deb
		echo "\${newest#linux-headers-}" >../release
	HOOK
}

# They expect to be in /usr/src. Their vmlinux, if there is one, is for BTF, which pahole would have to
# add to the modules.
settle_headers() {
	read -r release <"$making/release" || return
	sources=$making/debian/usr/src
	sed -i "s,/usr/src/,$build/headers.$unpacked/debian/usr/src/," "$sources/linux-headers-$release/Makefile" &&
		rm -f "$sources/linux-headers-$release/vmlinux"
}

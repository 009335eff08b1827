# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0
#
# What the lab boots, made from Debian packages: the hypervisor, the kernel as
# plain ELF, one root for dom0 and one for the domUs. All of it lands in
# $images, together with packages.txt, the list of the packages it came from.
# Nothing is installed on the host.

# The kernel's release: the one that the installed headers are for, because the stages are
# built against those headers (parts/headers.sh).
kernel_release() {
	if [ -n "$unpacked" ]; then
		cat "$build/headers.$unpacked/release" 2>/dev/null
		return
	fi
	dpkg-query -W -f '${Depends}\n' "$headers-$arch" 2>/dev/null |
		sed -n 's/.*linux-headers-\([0-9][^ ,]*\).*/\1/p'
}

# The lines of a list in guest/ without comments: first word, then the rest.
list() {
	sed "s/#.*//; /^[[:space:]]*\$/d; s/@XEN@/$xen/g; s/@ARCH@/$arch/g; s/@GNU@/$gnu/g" "$lab_dir/guest/$1"
}

# list_of LIST ROLE: the lines that are for that role, without the first word.
list_of() {
	list "$1" | awk -v role="$2" -v arch="$arch" '
		$1 == "both" || $1 == role || $1 == role "/" arch { $1 = ""; print }'
}

# Everything that decides what an image holds, but for the packages' versions:
# those are looked up once, when the image is made, and recorded.
image_key() {
	{
		kernel_release
		echo "$suite" "$arch"
		cat "$lab_dir/parts/image.sh" "$lab_dir"/guest/* "$build/ssh-key.pub" 2>/dev/null
	} | sha256sum | cut -c 1-16
}

# The key that the lab's ssh client logs in with. It belongs to this checkout.
make_ssh_key() {
	[ -s "$build/ssh-key.pub" ] && return
	rm -f "$build/ssh-key"
	ssh-keygen -q -t ed25519 -N '' -C lab -f "$build/ssh-key" ||
		die "ssh-keygen could not write $build/ssh-key"
}

# find_images: sets images. Those of another platform than this machine's stand apart.
find_images() {
	all_images=$build/images${platform:+.$platform}
	images=$all_images/$(image_key)
}

# make_image: see that $images exists and is what this checkout asks for.
make_image() {
	make_ssh_key
	make_headers
	find_images
	[ -e "$images/id" ] && return
	need_space 1000
	making=$build/making
	umask 022
	rm -rf "$making"
	mkdir -p "$making/image" || die_disk
	fetch_packages
	say "making the hypervisor, the kernel and the two roots ready to boot"
	PATH=$PATH:/sbin depmod -b "$making/debian" "$release" &&
		unpack_kernel || die "the kernel in $making could not be unpacked"
	for role in dom0 domU; do
		make_root "$role" || die "the root of $role could not be made"
	done
	(cd "$making/image" && sha256sum -- * >"$making/id" && mv "$making/id" id) || die_disk
	rm -rf "$all_images"
	mkdir -p "$all_images" && mv "$making/image" "$images" || die_disk
	rm -rf "$making"
}

# What mmdebstrap starts, often, must be Debian's own, whatever comes first in a reader's PATH.
own_path=/usr/sbin:/usr/bin:/sbin:/bin

fetch_packages() {
	release=$(kernel_release)
	packages=$(list packages | cut -f 1 | paste -sd ,),$(kernel_packages)
	say "fetching and unpacking the Debian packages of the lab (about 120 MB), without installing them"
	# Sources and trust come from Debian's own defaults (and LAB_MIRROR).
	# shellcheck disable=SC2016 # $1 is for the hook's shell
	PATH=$own_path mmdebstrap --mode=chrootless --variant=extract --architectures="$arch" \
		--setup-hook="$(also_from_archive)" --include="$packages" \
		--dpkgopt='path-exclude=/usr/share/*' \
		--dpkgopt='path-exclude=/usr/lib/python3*' \
		--extract-hook='cd "$1/var/cache/apt/archives" && ls *.deb > ../../../../packages.txt' \
		"$suite" "$making/debian" ${LAB_MIRROR:+"$LAB_MIRROR"} \
		>"$making/mmdebstrap.log" 2>&1 </dev/null 9>&- &
	helper=$!
	while_it_grows "$making" "fetching and unpacking"
	wait $helper || fetch_failed
	helper=
	# Where /usr is merged, packages rely on links that base-files' scripts make.
	for directory in bin sbin lib lib64; do
		[ -e "$making/debian/$directory" ] || ln -s "usr/$directory" "$making/debian/$directory"
	done
	sed -n 's/%3a/:/; s/^\([^_]*\)_\(.*\)_\([^_]*\)\.deb$/\1 \2 \3/p' \
		"$making/debian/packages.txt" | sort >"$making/image/packages.txt"
}

# From Linux 7 on Debian has the kernel and its modules apart.
kernel_packages() {
	case $release in
	[1-6].*) echo "linux-image-$release" ;;
	*) echo "linux-base/$archive,linux-binary-$release,linux-modules-$release,linux-base-$release" ;;
	esac
}

# also_from_archive: prints a command for mmdebstrap that adds the archive which has the
# kernel, if that is another one than the suite's.
also_from_archive() {
	if [ -z "$archive" ]; then echo true; return; fi
	echo "sed -n 's, $suite , $archive ,p' \"\$1/etc/apt/sources.list\" >\"\$1/etc/apt/sources.list.d/$archive.list\""
}

# while_it_grows DIRECTORY WHAT: until $helper ends, which writes there.
while_it_grows() {
	began=$(now) size=0 changed=$began
	while kill -0 "$helper" 2>/dev/null; do
		seen=$(du -sk "$1" 2>/dev/null | cut -f 1)
		[ "$seen" = "$size" ] || { size=$seen changed=$(now); }
		[ $(($(now) - changed)) -lt "$STALL" ] || die "$2: no data arrived for $STALL s"
		progress "$2: $((size / 1024)) MB"
		sleep 0.5
	done
	progress_end
}

fetch_failed() {
	helper=
	grep -Ei '^Err|^E:|error|no space' "$making/mmdebstrap.log" | tail -n 8 >&2
	if grep -q "Unable to locate package linux-image-$release" "$making/mmdebstrap.log"; then
		rm -rf "$build/headers.$unpacked"
		[ -z "$unpacked" ] ||
			die "Debian no longer has the kernel $release, so its headers here were removed." \
				"The same command fetches newer ones."
		die "Debian no longer has the kernel $release that your linux-headers-$arch is for." \
			"Bring the headers up to date: sudo apt-get update && sudo apt-get install linux-headers-$arch"
	fi
	die "the packages could not be fetched and unpacked (see above)." \
		"When the network (or the disk) works again, run the same command again." \
		"For a mirror of your own: LAB_MIRROR=http://... "
}

# Under emulation a kernel takes 11 s to unpack itself, so it is unpacked here.
# Linux's boot protocol (Documentation/x86/boot.rst) says where in a bzImage
# the compressed ELF file is: setup_sects, payload_offset, payload_length.
# On Arm both are plain already.
unpack_kernel() {
	bzimage=$making/debian/boot/vmlinuz-$release
	[ -e "$bzimage" ] || bzimage=$making/debian/usr/lib/modules/$release/vmlinuz
	if [ "$arch" = arm64 ]; then
		cp "$bzimage" "$making/image/vmlinux" && cp "$making/debian/boot/xen-$xen-$arch" "$making/image/xen"
		return
	fi
	start=$((($(number "$bzimage" 0x1f1 1) + 1) * 512 + $(number "$bzimage" 0x248 4)))
	# The payload ends with its unpacked size, four bytes that are not xz's or zstd's.
	length=$(($(number "$bzimage" 0x24c 4) - 4))
	case $(number "$bzimage" "$start" 4) in
	$((0xfd2fb528))) unpacker=zstd ;;
	*) unpacker=xz ;;
	esac
	tail -c +$((start + 1)) "$bzimage" | head -c "$length" |
		$unpacker -dc >"$making/image/vmlinux" &&
		gunzip -c "$making/debian/boot/xen-$xen-$arch.gz" >"$making/image/xen"
}

# number FILE OFFSET BYTES: the little-endian number at that place.
number() {
	od -A n -t "u$3" -j "$(($2))" -N "$3" "$1" | tr -d ' '
}

# make_root ROLE: the root file system of dom0 or of the domUs, as the initramfs
# that the kernel unpacks. Not compressed: unpacking costs the guest time.
make_root() {
	mkdir -p "$making/$1" && cd "$making/$1" || return 1
	# Relative, because a checkout's own path may hold any character.
	debian=../debian
	mkdir -p bin sbin usr/bin usr/sbin proc sys dev run/xen run/lock tmp var/log/xen/console \
		var/lib/xen etc/xen/scripts lab root/.ssh lib64 usr/lib lib
	ln -s /run var/run
	ln -s /run/lock var/lock
	chmod 1777 tmp
	copy_programs "$1" && copy_modules "$1" && copy_settings && pack_root "$1"
}

copy_programs() {
	# What the package libc-bin would have set up.
	printf '%s\n' "/lib/$gnu" "/usr/lib/$gnu" >"$debian/etc/ld.so.conf"
	# shellcheck disable=SC2046 # one word a program
	PATH=/usr/bin:/bin lddtree -R "$debian" --copy-to-tree . \
		$(list_of programs "$1") \
		2>../lddtree.log && [ ! -s ../lddtree.log ] || { cat ../lddtree.log >&2; return 1; }
	mkdir -p "${loader%/*}"
	ln -sf "/lib/$gnu/${loader##*/}" "$loader"
	for program in "usr/lib/xen-$xen/bin"/*; do
		[ ! -e "$program" ] || ln -s "/$program" usr/sbin/
	done
	cp "$debian/bin/busybox" bin/ || return 1
	# Another processor's busybox cannot be asked: it makes the links itself (guest/up).
	if [ "$arch" = "$host_arch" ]; then applets=$("$debian/bin/busybox" --list-full); else applets=bin/sh; fi
	for applet in $applets; do
		[ -e "$applet" ] || ln -s /bin/busybox "$applet"
	done
	ln -s /bin/busybox init
}

copy_modules() {
	modules=$(list_of modules "$1")
	mkdir -p "lib/modules/$release"
	cp "$debian/lib/modules/$release"/modules.builtin* "$debian/lib/modules/$release/modules.order" "lib/modules/$release/"
	# shellcheck disable=SC2086 # one word a module
	PATH=$PATH:/sbin modprobe -d "$debian" -S "$release" -a --show-depends $modules |
		sed -n 's|^insmod .*/debian/\(lib/modules/.*\.ko\).*|\1|p' | sort -u |
		while read -r ko; do
			mkdir -p "${ko%/*}" || exit
			if [ -e "$debian/$ko.xz" ]; then xz -dc "$debian/$ko.xz" >"$ko"; else cp "$debian/$ko" "$ko"; fi || exit
		done || return 1
	PATH=$PATH:/sbin depmod -b . "$release"
}

copy_settings() {
	cp "$lab_dir"/guest/up* lab/ &&
		cp "$lab_dir/guest/inittab" etc/ &&
		cp "$lab_dir/guest/vif-lab" etc/xen/scripts/ &&
		cp "$debian/etc/xen/xl.conf" "$debian/etc/xen/oxenstored.conf" etc/xen/ &&
		cp "$build/ssh-key.pub" root/.ssh/authorized_keys || return 1
	[ ! -h usr/sbin/xl ] || [ -h usr/sbin/lsevtchn ] || cp "$lab_dir/guest/lsevtchn" usr/sbin/ || return
	chmod 700 root root/.ssh
	chmod 600 root/.ssh/authorized_keys
	echo 'root:*:0:0:root:/root:/bin/sh' >etc/passwd
	echo 'root:x:0:' >etc/group
	echo /bin/sh >etc/shells
	echo 'export PATH=/usr/sbin:/usr/bin:/sbin:/bin' >etc/profile
}

# Owners and times are set, so that the same packages give the same file.
pack_root() {
	find . -exec touch -hd @0 {} + &&
		find . -print0 | LC_ALL=C sort -z |
		cpio --quiet --null -o -H newc -R 0:0 --reproducible >"$making/image/$1.cpio"
}

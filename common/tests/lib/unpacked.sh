# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0
#
# What a test needs of Debian and cannot be installed beside the rest: packages of
# another release, or of another kernel. They are fetched once and unpacked into a
# directory below .build, without installing anything.

# unpacked DIRECTORY SUITE PACKAGES SETTLE WHERE: fetched as $DIRECTORY/debian from SUITE;
# PACKAGES is a shell command that prints their names there. The command SETTLE makes
# them usable; without it all is removed again, and WHERE says where Debian has them.
unpacked() {
	[ ! -e "$1/complete" ] || return 0
	rm -rf "$1"
	mkdir -p "$1"
	# Sources and trust come from Debian's own defaults (and LAB_MIRROR). The hook
	# runs outside of the new root, with the apt settings that mmdebstrap made for it.
	mmdebstrap --mode=chrootless --variant=custom "$2" "$1/debian" ${LAB_MIRROR:+"$LAB_MIRROR"} </dev/null \
		--essential-hook='set -e
			cd "$1"
			export APT_CONFIG="$MMDEBSTRAP_APT_CONFIG"
			apt-get download $('"$3"')
			for deb in *.deb; do dpkg-deb -x "$deb" .; done
			rm -f *.deb' &&
		$4 && touch "$1/complete" && return
	rm -rf "$1"
	echo "$5. When the network (or the disk) works again, run the same command again."
	echo "A mirror of your own, LAB_MIRROR=http://..., must have that, too."
	return 1
}

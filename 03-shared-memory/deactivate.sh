#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# deactivate.sh - make a mydevice go away, as a toolstack does.
#
# The toolstack asks the backend: it writes online=0 and the state Closing into
# the backend's directory, waits until both ends have let go, and removes the
# nodes. It does not wait long for an end that is missing or does not answer.

usage="usage: deactivate.sh [--device N] [--backend DOMID] DOMID"

die() {
	echo "deactivate.sh: $1" >&2
	exit 1
}

# Is this a plain number? (01 would be another node than 1.)
number() {
	case $1 in
	'' | *[!0-9]* | 0?*) return 1 ;;
	esac
}

device=0
backend=0
domid=
while [ $# -gt 0 ]; do
	case $1 in
	--device) device=${2-} && shift $(($# > 1)) ;;
	--backend) backend=${2-} && shift $(($# > 1)) ;;
	-h | --help) echo "$usage" && exit 0 ;;
	-*) die "unknown option $1; $usage" ;;
	*) [ -z "$domid" ] || die "one domain at a time: $domid or $1; $usage"; domid=$1 ;;
	esac
	shift
done
number "$domid" || die "the domain's number is missing or wrong: '$domid' (xl list shows it); $usage"
number "$device" || die "the device's number is wrong: '$device'; $usage"
number "$backend" || die "the backend domain's number is wrong: '$backend'; $usage"

grep -qs control_d /proc/xen/capabilities || die "only dom0 may remove devices, and this is not dom0
In the lab, type: common/lab/lab run dom0 sh -s $domid <STAGE/deactivate.sh"
for tool in xenstore-exists xenstore-list xenstore-read xenstore-write xenstore-rm; do
	command -v $tool >/dev/null || die "$tool is missing: install the package xenstore-utils"
done
xenstore-exists /local/domain/0 2>/dev/null || die "XenStore cannot be read: this needs root"

front=/local/domain/$domid/device/mydevice/$device
back=/local/domain/$backend/backend/mydevice/$domid/$device

# other_backend: prints the domain, other than the one asked for, that has a
# backend of this device.
other_backend() {
	for other in $(xenstore-list /local/domain); do
		[ "$other" = "$backend" ] || ! xenstore-exists "/local/domain/$other/backend/mydevice/$domid/$device" ||
			{ echo "$other" && return; }
	done
	return 1
}

# Removing the frontend's directory alone would cut the frontend off without a
# goodbye, and leave the real backend behind. XenStore says which backends exist;
# the guest's own directory does not count, because the guest may write there.
removed="$front $back"
if other=$(other_backend); then
	xenstore-exists "$back" || die "device $device of domain $domid has its backend in domain $other, not in domain $backend
Type: deactivate.sh --device $device --backend $other $domid"
	if [ "$(xenstore-read "$front/backend" 2>/dev/null)" = "/local/domain/$other/backend/mydevice/$domid/$device" ]; then
		echo "deactivate.sh: the frontend belongs to a backend in domain $other, so only $back is removed" >&2
		removed=$back
	fi
fi
xenstore-exists "$front" || xenstore-exists "$back" ||
	die "there is no device $device of domain $domid"

# Has the backend let go? 6 is Closed; a backend that has gone altogether
# has let go, too.
closed() {
	state=$(xenstore-read "$back/state" 2>/dev/null) || return 0
	[ "$state" = 6 ]
}

# If the guest is gone, nobody will answer, so the script does not wait. XenStore
# keeps a backend's directory when its guest is destroyed. A backend that is
# Closed already would not notice the request either.
if xenstore-exists "$back" && xenstore-exists "/local/domain/$domid/domid" && ! closed; then
	xenstore-write "$back/online" 0 "$back/state" 5 || die "XenStore refused the request to $back"
	tries=50
	until closed; do
		tries=$((tries - 1))
		if [ $tries -eq 0 ]; then
			echo "deactivate.sh: no answer for 10 s (is a driver loaded at both ends?): removed by force" >&2
			break
		fi
		sleep 0.2
	done
fi

# -t also removes the directories above that have become empty.
for dir in $removed; do
	! xenstore-exists "$dir" || xenstore-rm -t "$dir" || die "XenStore refused to remove $dir"
done

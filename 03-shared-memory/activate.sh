#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# activate.sh - make a mydevice appear in a guest.
#
# A virtual device exists when two directories in XenStore say so, one for each
# end. The kernels of both domains watch for such directories and call the probe
# function of the driver that names the device's type. xl writes the same
# nodes, with the same owners, for the devices that it knows; this script does it for ours.

usage="usage: activate.sh [--device N] [--backend DOMID] DOMID"

die() {
	echo "activate.sh: $1" >&2
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
[ "$domid" != "$backend" ] || die "the two ends must be in different domains, not both in $domid"

grep -qs control_d /proc/xen/capabilities || die "only dom0 may create devices, and this is not dom0
In the lab, type: common/lab/lab run dom0 sh -s $domid <STAGE/activate.sh"
for tool in xenstore-exists xenstore-write xenstore-chmod xenstore-rm; do
	command -v $tool >/dev/null || die "$tool is missing: install the package xenstore-utils"
done
xenstore-exists /local/domain/0 2>/dev/null || die "XenStore cannot be read: this needs root"

# A running domain has its number there. (Its directory alone may be a leftover.)
xenstore-exists "/local/domain/$domid/domid" || die "there is no domain $domid (xl list shows the domains)"
xenstore-exists "/local/domain/$backend/domid" || die "there is no domain $backend for the backend (xl list shows the domains)"

# XenBus has a name for each end, and a device whose name is longer than 19
# characters is never probed.
for name in "mydevice-$device" "mydevice-$domid-$device"; do
	[ ${#name} -le 19 ] || die "XenBus would call this device $name, which has ${#name} characters;
XenBus allows 19: choose a smaller device number (or a type shorter than mydevice)"
done

front=/local/domain/$domid/device/mydevice/$device
back=/local/domain/$backend/backend/mydevice/$domid/$device

for dir in "$front" "$back"; do
	xenstore-exists "$dir" || continue
	present=$(xenstore-read "$front/backend-id" 2>/dev/null) && number "$present" || present=$backend
	die "device $device of domain $domid exists already ($dir)
To remove it, type: deactivate.sh --device $device --backend $present $domid"
done

# From here on a failure leaves nothing behind.
fail() {
	xenstore-rm -t "$front" 2>/dev/null
	xenstore-rm -t "$back" 2>/dev/null
	die "$1"
}

# The directories first, with their permissions. The first word of a permission
# names the owner, who may do everything, and says what all others may do
# (n: nothing). Each further word says what one domain may do (r: read). New nodes
# inherit the permissions, so this comes before the keys. Each end owns its own
# directory and reads the other's: a guest must not write to the backend's.
xenstore-write "$front" "" "$back" "" || fail "XenStore refused to make the two directories"
xenstore-chmod "$front" "n$domid" "r$backend" || fail "XenStore refused the permissions of $front"
xenstore-chmod "$back" "n$backend" "r$domid" || fail "XenStore refused the permissions of $back"

# All keys at once: xenstore-write is one transaction, so that neither end sees
# half of a device. Each directory names the other, and the domain that it is
# in. State 1 is Initialising: a kernel calls probe in no other state. online
# tells the backend to stay when the frontend closes.
xenstore-write \
	"$front/backend" "$back" \
	"$front/backend-id" "$backend" \
	"$front/state" 1 \
	"$back/frontend" "$front" \
	"$back/frontend-id" "$domid" \
	"$back/online" 1 \
	"$back/state" 1 || fail "XenStore refused the keys of the device"

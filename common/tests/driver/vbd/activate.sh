#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# activate.sh [--backend DOMID] DOMID - give a guest a disk, xvdz, of 4 MiB of zeroes, as xl
# would. Linux's own drivers serve it.

backend=0
[ "$1" != --backend ] || { backend=$2; shift 2; }
domid=$1
[ "$backend" = 0 ] || { echo "activate.sh: the disk is in dom0" >&2; exit 1; }

modprobe loop && modprobe xen-blkback || exit
if ! losetup /dev/loop0 2>/dev/null | grep -q /tmp/disk; then
	dd if=/dev/zero of=/tmp/disk bs=1M count=4 2>/dev/null && losetup /dev/loop0 /tmp/disk || exit
fi

front=/local/domain/$domid/device/vbd/0
back=/local/domain/0/backend/vbd/$domid/0
! xenstore-exists "$front" || { echo "activate.sh: it exists already" >&2; exit 1; }
xenstore-write "$front" "" "$back" "" &&
	xenstore-chmod "$front" "n$domid" r0 && xenstore-chmod "$back" n0 "r$domid" || exit

# A disk's number is (1 << 28) + (number << 8); loop0 is 7:0.
xenstore-write "$front/backend" "$back" "$front/backend-id" 0 \
	"$front/virtual-device" $(((1 << 28) + (25 << 8))) "$front/device-type" disk "$front/state" 1 \
	"$back/frontend" "$front" "$back/frontend-id" "$domid" "$back/online" 1 "$back/removable" 0 \
	"$back/mode" w "$back/type" phy "$back/params" /dev/loop0 "$back/dev" xvdz \
	"$back/physical-device" 7:0 "$back/state" 1

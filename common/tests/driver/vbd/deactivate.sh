#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# deactivate.sh [--backend DOMID] DOMID - take the disk away again.

[ "$1" != --backend ] || shift 2
front=/local/domain/$1/device/vbd/0
back=/local/domain/0/backend/vbd/$1/0

! xenstore-exists "$back/state" || xenstore-write "$back/online" 0 "$back/state" 5
for try in 1 2 3 4 5 6 7 8 9 10; do
	case $(xenstore-read "$back/state" 2>/dev/null) in 6 | '') break ;; esac
	sleep 0.5
done
for dir in "$front" "$back"; do
	! xenstore-exists "$dir" || xenstore-rm -t "$dir" || exit
done

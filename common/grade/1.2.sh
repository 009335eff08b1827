# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0
#
# A second device: its directories, and its names in /sys.

load
target activate DEVICE=1 >"$tmp/activate" 2>&1 || stop "make activate DEVICE=1" "$(cat "$tmp/activate")"
front_nodes=${front_nodes%0}1 back_nodes=${back_nodes%0}1
measured "the second device's states" "$(until_states '4 4')"
# The guest's number is in the names, and is 1 in a lab that was just started.
as_domain_1() { sed "s/-$guest-/-1-/; s,/$guest/,/1/,g" | paste -sd ' '; }
measured "the guest's directories in /sys/bus/xen/devices" "$(in_front "cd /sys/bus/xen/devices && ls -d $driver-*" | as_domain_1)"
measured "dom0's directories in /sys/bus/xen-backend/devices" "$(in_back "cd /sys/bus/xen-backend/devices && ls -d $driver-*" | as_domain_1)"
measured "nodes that have another value than the first device's" "$(in_dom0 "
	for node in backend backend-id state version; do
		[ \"\$(xenstore-read $front_nodes/\$node)\" = \"\$(xenstore-read ${front_nodes%1}0/\$node)\" ] || echo \$node
	done
	for node in frontend frontend-id online state versions; do
		[ \"\$(xenstore-read $back_nodes/\$node)\" = \"\$(xenstore-read ${back_nodes%1}0/\$node)\" ] || echo \$node
	done" | paste -sd ' ')"
target deactivate DEVICE=1 >/dev/null 2>&1 || stop "make deactivate DEVICE=1"

# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0
#
# The keys of an activation, written one by one, in two orders.

load
front_nodes=${front_nodes%0}1 back_nodes=${back_nodes%0}1

# one_by_one KEY...: f or b, and the name of the node in that end's directory.
one_by_one() {
	in_dom0 "
		xenstore-write $front_nodes '' $back_nodes ''
		xenstore-chmod $front_nodes n$guest r0
		xenstore-chmod $back_nodes n0 r$guest
		for key in $*; do
			case \$key in
			f.backend) xenstore-write $front_nodes/backend $back_nodes ;;
			f.backend-id) xenstore-write $front_nodes/backend-id 0 ;;
			f.state) xenstore-write $front_nodes/state 1 ;;
			b.frontend) xenstore-write $back_nodes/frontend $front_nodes ;;
			b.frontend-id) xenstore-write $back_nodes/frontend-id $guest ;;
			b.online) xenstore-write $back_nodes/online 1 ;;
			b.state) xenstore-write $back_nodes/state 1 ;;
			esac
			sleep 0.5
		done"
}

remove() { target deactivate DEVICE=1 >/dev/null 2>&1 || stop "make deactivate DEVICE=1"; }

mark
one_by_one f.state f.backend f.backend-id b.frontend b.frontend-id b.online b.state
sleep 2
measured "state first: the guest's kernel says" "$(log_of front | sed -n "s/.*\(failed with error -[0-9]*\).*/\1/p" | head -n 1)"
measured "state first: the frontend is Connected" "$(if [ "$(in_dom0 "xenstore-read $front_nodes/state")" = 4 ]; then echo yes; else echo no; fi)"
measured "state first: probe of the frontend was called" "$(said front | grep -c "$driver-1: Probe called")"
remove
one_by_one f.backend f.backend-id b.frontend b.frontend-id b.online f.state b.state
measured "both states last, the backend's after the frontend's: the states" "$(until_states '4 4')"
remove
one_by_one f.backend f.backend-id b.frontend b.frontend-id b.online b.state f.state
measured "both states last, the frontend's after the backend's: the states" "$(until_states '1 6')"
remove

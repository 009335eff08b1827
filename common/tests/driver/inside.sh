# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0
#
# What driver.t does inside a domain, to a driver of which it knows the type, the two modules and the
# nodes. Before this is read there are end (front or back), type, module, driver (what XenBus calls
# the driver at this end), guest and backend (the domids).

kit=/tmp/driver
case $end in front) bus=/sys/bus/xen ;; back) bus=/sys/bus/xen-backend ;; esac
front=/local/domain/$guest/device/$type/0
back=/local/domain/$backend/backend/$type/$guest/0

device() { if [ "$end" = front ]; then echo "$type-0"; else echo "$type-$guest-0"; fi; }

# wait_for SECONDS COMMAND...
wait_for() {
	ticks=$(($1 * 10))
	shift
	until "$@"; do
		[ $ticks -gt 0 ] || return
		ticks=$((ticks - 1))
		usleep 100000
	done
}

# -- the module, the device ------------------------------------------------------

insert() {
	[ ! -d "/sys/module/$(echo "$module" | tr - _)" ] || return 0
	if [ -e "$kit/$module.ko" ]; then insmod "$kit/$module.ko"; else modprobe "$module"; fi
}

activate() { sh $kit/activate.sh --backend "$backend" "$guest"; }
deactivate() { sh $kit/deactivate.sh --backend "$backend" "$guest" 2>&1; }
bind() { device >"$bus/drivers/$driver/bind"; }
unbind() { device >"$bus/drivers/$driver/unbind"; }
has_device() { [ -e "$bus/devices/$(device)" ]; }
no_device() { ! has_device; }
until_no_device() { wait_for 60 no_device || { echo "$(device) is still there after 60 s"; return 1; }; }

# states: the frontend's and the backend's, by number; - for one that is not there.
states() {
	echo "$(xenstore-read "$front/state" 2>/dev/null || echo -) $(xenstore-read "$back/state" 2>/dev/null || echo -)"
}

are() { [ "$(states)" = "$1" ]; }
until_states() { wait_for 60 are "$1" || { echo "waited 60 s for the states $1 and saw $(states)"; return 1; }; }

# left_by END: the other one has noticed that this end is gone: it is no longer Connected.
left() { case $(states) in *4*) return 1 ;; esac; }
until_left() { wait_for 60 left || { echo "waited 60 s for both ends to leave Connected and saw $(states)"; return 1; }; }

# -- what the ends publish -------------------------------------------------------

# published: a line "END NODE VALUE" for each node that the toolstack does not write.
published() {
	xenstore-ls -f "$front" | sed "s,^$front/,front ,; s/ = \"/ /; s/\"\$//"
	xenstore-ls -f "$back" | sed "s,^$back/,back ,; s/ = \"/ /; s/\"\$//"
}

# -- a hostile peer ---------------------------------------------------------------

# It is this domain's, in a shell, with no driver at its end. An honest word would take tens of
# ms under emulation; as long is waited between two of them.
mine() { if [ "$end" = front ]; then echo "$front"; else echo "$back"; fi; }
settle() { usleep "${1-60000}"; }

# Each state after each other one, 0 and 7 and 8 among them.
states_in_all_orders() {
	dir=$(mine)
	for from in 0 1 2 3 4 5 6 7 8; do
		for to in 1 2 3 4 5 6; do
			xenstore-write "$dir/state" $from "$dir/state" $to
			settle
		done
	done
	for word in '' abc -1 99999999999999999999 '4 '; do xenstore-write "$dir/state" "$word"; settle; done
	xenstore-rm "$dir/state"
	settle
	xenstore-write "$dir/state" 1
	settle 300000
}

# values KIND: what a node of that kind cannot be, one a line. A long one has 1,500 characters.
values() {
	long=$(printf '%01500d' 7)
	case $1 in
	port) printf '%s\n' '' 0 1 2 4095 131071 4294967295 4294967297 -1 abc 1x "$long" ;;
	grant) printf '%s\n' '' 0 1 8 511 65535 4294967295 4294967297 -1 abc 1x "$long" ;;
	number) printf '%s\n' '' 0 -1 1 31 32 255 65536 4294967295 4294967297 99999999999999999999 abc 1x "$long" ;;
	*) printf '%s\n' '' ' ' ',' '%s%n' 0 -1 "1 $long" "$long" ;;
	esac
}

# shake STATES: goes on as an honest end would, so that the other one reads all of it.
shake() {
	for state; do
		xenstore-write "$dir/state" "$state"
		settle 120000
	done
}

# lie NODE KIND: each value that it cannot have, and none, in a handshake of its own. The other
# nodes are as they were in an honest connection: $kit/honest has them.
lie() {
	dir=$(mine)
	case $end in front) first=3 ;; back) first=2 ;; esac
	values "$2" | while IFS= read -r value; do
		honest
		xenstore-write "$dir/$1" "$value"
		shake "$first" 4 5 6 1
	done
	honest
	xenstore-rm "$dir/$1"
	shake "$first" 4 5 6 1
	honest
	# It changes after the other end has read it.
	shake "$first"
	xenstore-write "$dir/$1" 7
	shake 4 6 1
}

honest() {
	while read -r of node value; do
		[ "$of" = "$end" ] || continue
		case $node in state | backend | backend-id | frontend | frontend-id | online) continue ;; esac
		xenstore-write "$dir/$node" "$value"
	done <$kit/honest
}

# What a guest may do to its own directory, and a backend to its own.
remove_nodes() {
	dir=$(mine)
	for node in $(xenstore-list "$dir"); do
		xenstore-rm "$dir/$node"
		settle
	done
	shake 1 3 4 6
}

# -- how this kernel is --------------------------------------------------------------

kernel_is_well() {
	mask=$(cat /proc/sys/kernel/tainted)
	[ $((mask & 128)) -eq 0 ] || { echo "the kernel has crashed:"; dmesg | tail -n 30; return 1; }
	for comm in /proc/[0-9]*/comm; do
		read -r name <"$comm" && [ "$name" = xenwatch ] && return
	done 2>/dev/null
	echo "XenBus's thread xenwatch is gone"
	return 1
}

free_kib() {
	sync
	echo 3 >/proc/sys/vm/drop_caches
	awk '/MemFree/ { print $2 }' /proc/meminfo
}

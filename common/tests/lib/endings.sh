# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0
#
# What the tests of the endings share, beside stage.sh: devices with users at
# both ends, and domains that go and come back. A test sets domus, defines the
# function of each of its endings, and calls test_endings with their names.

. "$(dirname "$0")/../lib/stage.sh"

stages="01-hello-probe 02-event-channels 03-shared-memory"

# long SHORT LONG: a count, for make check or for make check-long.
long() {
	if [ "${CHECK-}" = long ]; then echo "$2"; else echo "$1"; fi
}

LAB_TIMEOUT=$(long 300 7200)

# inside DOMAIN END LINE: with the functions of inside.sh.
inside() {
	in_domain "$1" "end=$2 guest=$guest backend=$backend stage=$stage devices='$devices'; . /tmp/kit/inside.sh; $3"
}

at_front() { inside "$front_domain" front "$1"; }
at_back() { inside "$back_domain" back "$1"; }
at_dom0() { inside dom0 back "$1"; }

domid() { in_dom0 "xl domid $1"; }

# -- the domains -------------------------------------------------------------

# All modules and programs that a test needs, in one directory for each domain.
make_kit() {
	# shellcheck disable=SC2086 # one word a stage
	build_modules $stages || bail_out "the modules do not build"
	"$top/common/tests/build" common/tests/stages/io || bail_out "the test program cannot be compiled"
	rm -rf "$work/kit"
	for stage in $stages; do
		mkdir -p "$work/kit/$stage"
		cp "$(modules_of "$stage")"/*.ko "$top/$stage"/*activate.sh "$work/kit/$stage" || bail_out "$stage is not complete"
	done
	without_debug "$work"/kit/*/*.ko
	cp "$work/io" "$top/common/tests/lib/inside.sh" "$work/kit"
}

# What a guest's kernel says is read from its console, which outlives it.
equip() {
	"$lab" put "$1" "$work/kit" /tmp && { [ "$1" = dom0 ] || in_domain "$1" 'dmesg -n 8'; }
}

# A guest as it is before it has a device, with its module loaded: to come back
# from that takes less than to boot. Nobody may be logged in then: a connection
# that ended later would come back, too, and the lab would wait for it. (xl save -c
# would leave the guest without the xl that waits for its end.)
keep_fresh() {
	in_domain "$1" 'setsid sh -c "sleep 1; kill \$(pidof dropbear | sed s/\$(cat /run/dropbear.pid)//)" >/dev/null 2>&1 </dev/null &'
	sleep 3
	in_dom0 "rm -f /tmp/fresh; xl save $1 /tmp/fresh 2>&1" && restore_paused /tmp/fresh && go_on "$1"
}

# A guest that had devices when it was saved is given them before it goes on.
restore_paused() { in_dom0 "xl restore -p $1 2>&1"; }
go_on() { in_dom0 "xl unpause $1" && until_answers "$1"; }

# A domain that somebody still has pages of stays in xl's list, as (null).
is_gone() {
	for try in 1 2 3 4 5 6 7 8 9 10; do
		there=$(in_dom0 "xl list | awk 'NR > 1 { print \$1 }'")
		printf '%s\n' "$there" | grep -qx -e "$1" -e '(null)' || return 0
		sleep 1
	done
	echo "xl list still has:"
	echo "$there"
	return 1
}

# -- the logs ----------------------------------------------------------------

# Instead of stage.sh's: of every guest, by its console, which outlives it.
mark_logs() {
	mark="tests: $stage $1 $$"
	in_dom0 "echo '$mark' >/dev/kmsg; for log in /var/log/xen/console/guest-domU*; do echo '$mark' >>\$log; done"
}

# Instead of stage.sh's, by the domain's name.
log_since() {
	case $1 in
	dom0) in_dom0 "dmesg | sed '1,/$mark/d'" ;;
	*) in_dom0 "sed '1,/$mark/d' /var/log/xen/console/guest-$1.log" ;;
	esac
}

xen_says() { in_dom0 "xl dmesg | grep -E '(grant_table|event_channel|event_fifo|mm)\\.c:|BUG|WARN' | tail -n 20"; }

logs_are_clean() {
	for domain; do log_is_clean "$domain" || { echo "(in $domain)"; return 1; }; done
}

# -- the steps ---------------------------------------------------------------

# Only the last stage has device nodes, and so users; a third device for each way
# to fill the rings.
devices_of_stage() { if has_nodes; then echo 0 1 2; else echo 0; fi; }

has_nodes() { case $stage in 03-*) ;; *) return 1 ;; esac; }

start_users() { at_front start_users && at_back start_users; }

# users_saw END AT-END ON-WRITE
users_saw() { "at_$1" "users_saw $2 $3"; }

end_users() { ! has_nodes || "at_$1" end_users; }

# with_nodes DESCRIPTION COMMAND...: is tested where there are users.
with_nodes() { ! has_nodes || ok "$@"; }

# flows BYTES: all that a connection can do, on every device.
flows() {
	case $stage in
	01-*) at_dom0 versions ;;
	02-*) at_front ring ;;
	03-*) streams "$1" ;;
	esac
}

streams() {
	at_back "stream $1" & other=$!
	at_front "stream $1"
	status=$?
	wait $other && [ $status -eq 0 ]
}

connected() { at_dom0 "until_all '4 4'"; }
connected_and_flows() { connected && flows 300000; }
activated() { at_dom0 activate && connected_and_flows; }

# unbound END OTHER: with users in every call. The module stays until they are gone.
unbound() {
	with_nodes "$1: users at both ends" start_users || return
	ok "$1: the driver is unbound within a minute" minute "at_$1" unbind || return
	ok "$1: both ends go to Closed" at_dom0 "until_all '6 6'" || return
	with_nodes "$1: its users see what was unread, and ENODEV" users_saw "$1" ENODEV ENODEV || return
	with_nodes "$1: the $2's see what was unread, and the end" users_saw "$2" eof EPIPE || return
	end_users "$2"
	with_nodes "$1: rmmod says in use" "at_$1" is_in_use || return
	with_nodes "$1: the users close" end_users "$1" || return
	ok "$1: then the module can be removed" "at_$1" 'rmmod $module' || return
	ok "$1: it is loaded again, and finds its device" "at_$1" insert || return
	ok "$1: bytes flow again" connected_and_flows
}

minute() { LAB_TIMEOUT=60 "$@"; }

closed_by_toolstack() {
	with_nodes "toolstack: users at both ends" start_users || return
	ok "toolstack: it asks the backend to close" at_dom0 ask_to_close || return
	ok "toolstack: both ends are Closed" at_dom0 "until_all '6 6'" || return
	ok "toolstack: the backend's device is gone" at_back until_no_device || return
	with_nodes "toolstack: the frontend's users see what was unread, and the end" users_saw front eof EPIPE || return
	with_nodes "toolstack: and the backend's" users_saw back eof EPIPE || return
	end_users front
	end_users back
	ok "toolstack: nothing is removed by force" at_dom0 deactivate || return
	ok "toolstack: the frontend's device is gone" at_front until_no_device || return
	ok "toolstack: activated anew, bytes flow" activated
}

# The guest goes on under another number. The toolstack does not make devices anew
# that it does not know, so that is done before the guest wakes.
restored() {
	old=$guest
	with_nodes "users at both ends" start_users || return
	ok "xl save" in_dom0 'xl save domU1 /tmp/save 2>&1' || return
	ok "the backend's device is gone" at_back until_no_device || return
	with_nodes "its users see what was unread, and the end" users_saw back eof EPIPE || return
	end_users back
	ok "the old nodes are removed" at_dom0 deactivate || return
	ok "xl restore" restore_paused /tmp/save || return
	in_dom0 'rm /tmp/save'
	guest=$(domid domU1)
	is "$((guest > old))" 1 "the guest has another number: $guest" || return
	ok "activated for that number" at_dom0 activate || return
	ok "the guest goes on" go_on domU1 || return
	ok "both ends are Connected" connected || return
	with_nodes "who had the device open sees what was unread, and the end" users_saw front eof EPIPE || return
	ok "new descriptors work while old ones are open" flows 300000 || return
	end_users front
	ok "the frontend's driver is unbound and bound" at_front 'reconnect 1' || return
	ok "bytes flow" flows 300000
}

# -- a whole test ------------------------------------------------------------

begin() {
	mark_logs "$1"
	start=$(ledger)
	ok "$stage, $1: it begins with $start" at_back insert || return
	ok "the frontend is loaded" at_front insert
}

finish() {
	ok "no device is removed by force" at_dom0 deactivate || return
	ok "no device is left at the frontend" at_front "until_no_device && rmmod \$module" || return
	ok "no device is left at the backend" at_back "until_no_device && rmmod \$module" || return
	is "$(in_dom0 'xenstore-ls -f | grep mydevice')" "" "no node is left in XenStore" || return
	ok "grants and event channels are back where they began" ledger_is_back "$start" || return
	ok "the kernels' logs are clean" logs_are_clean "$front_domain" "$back_domain" || return
	! debugging || ok "the kernels' checkers have nothing to say" checkers_are_silent "$front_domain" "$back_domain"
}

# Every test begins with domains that nobody has used.
fresh_lab() {
	"$lab" reset "$domus" || bail_out "the lab does not start"
	for n in $(seq "$domus"); do equip "domU$n" || bail_out "nothing can be copied to domU$n"; done
	equip dom0 || bail_out "nothing can be copied to dom0"
}

domid_of() { if [ "$1" = dom0 ]; then echo 0; else domid "$1"; fi; }

# What went wrong in one place would go wrong in many: the rest of that ending
# is left out, and the next one has a lab that is not hurt.
test_endings() {
	make_kit
	hurt=y
	for stage in $stages; do
		for ending; do
			[ "$ending" != guest ] || [ "$stage" = "${last_stage:-$stage}" ] || continue
			[ -z "$hurt" ] || fresh_lab
			hurt='' devices=$(devices_of_stage) guest=$(domid domU1)
			backend=$(domid_of "$back_domain")
			begin "$ending" && "$ending" && finish || { hurt=y; echo "# the rest of '$ending' is left out"; }
		done
	done
	is "$(xen_says)" "" "Xen has no complaint"
	in_dom0 'rm -rf /tmp/kit /tmp/fresh'	# all of this is memory, and others want some
	done_testing
}

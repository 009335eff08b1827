#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# A split driver builds, connects, closes in every order, and survives bad peers and lost domains.
# The peer is hostile before the ends are Connected. The driver may be any: DRIVER_DIR names its
# directory, and "make check" in a driver that common/new made runs this test. A file in that
# directory, nodes, says what the test must know about the driver (common/tests/driver/README.md).
# DRIVER_PARTS chooses parts by name.

[ -n "${DRIVER_DIR-}" ] || { echo "1..0 # SKIP which driver? make check in its directory, or DRIVER_DIR=..."; exit 0; }
top=$(cd "$(dirname "$0")/../../.." && pwd -P)
. "$top/common/tests/lib/tap.sh"
all='life bound memory hostile_front hostile_back restored destroyed bereft'
parts=${DRIVER_PARTS:-$all}
# shellcheck disable=SC2086 # one word a part
must_know DRIVER_PARTS "sources $all" $parts
lab=$top/common/lab/lab
own=$(cd "$DRIVER_DIR" && pwd -P) || exit
work=$top/.build/tests/driver.t/$(basename "$own")
rm -rf "$work"
mkdir -p "$work/kit" || exit
export LAB_TIMEOUT="${LAB_TIMEOUT:-600}"
. "$top/common/tests/lib/source.sh"
. "$top/common/tests/lib/domains.sh"

in_dom0() { in_domain dom0 "$1"; }

# -- what is known of the driver -------------------------------------------------

# facts WORD: the rest of the lines in the file nodes that begin so.
facts() {
	sed 's/^[[:space:]]*//; s/^#.*//; s/[[:space:]]#.*//' "$own/nodes" 2>/dev/null | awk -v word="$1" '
		$1 == word { sub(/^[^ \t]+[ \t]*/, ""); sub(/[ \t]+$/, ""); print }'
}

fact() { facts "$1" | awk -v n="$2" 'NR == 1 { print $n }'; }

read_facts() {
	named=$(sed -n 's/^driver := //p' "$own/Makefile" 2>/dev/null)
	type=$(fact type 1)
	type=${type:-$named}
	[ -n "$type" ] || bail_out "what is the driver's type? $own/nodes has no line 'type', and there is no Makefile with 'driver :='"
	front_module=$(fact frontend 1) back_module=$(fact backend 1)
	front_module=${front_module:-${type}front} back_module=${back_module:-${type}back}
	front_driver=$(fact frontend 2) back_driver=$(fact backend 2)
	front_driver=${front_driver:-$front_module} back_driver=${back_driver:-$back_module}
}

# cannot WHAT: the reason, if the driver says that it cannot.
cannot() { facts cannot | sed -n "s/^$1 *//p" | head -n 1; }

# can WHAT DESCRIPTION: or it is said that this is not tested.
can() {
	reason=$(cannot "$1")
	[ -n "$reason" ] || return 0
	skip "$2" "$reason"
	return 1
}

skip() {
	tests_run=$((tests_run + 1))
	echo "ok $tests_run - $1 # SKIP $2"
}

# -- the sources -----------------------------------------------------------------

sources() {
	[ -e "$own/Kbuild" ] || { skip "the sources" "there is no Kbuild in $own"; return; }
	mkdir "$work/build"
	cp "$own"/Kbuild "$own"/Makefile "$own"/*.[ch] "$work/build" && rm -f "$work"/build/*.mod.c
	ok "it builds with W=1 and sparse" builds "$work/build" || return
	ok "W=1 and sparse are silent" is_silent "$work/build.log"
	ok "checkpatch --strict has nothing to say" unpack_and_check "$own"
	for script in "$own"/*.sh; do
		[ ! -e "$script" ] || ok "shellcheck has nothing to say about ${script##*/}" shellcheck "$script"
	done
}

builds() {
	make -C "$1" TUTORIAL=/nonexistent KDIR="$headers" W=1 C=2 CF=-D__CHECK_ENDIAN__ KCFLAGS=-Werror modules >"$1.log" 2>&1 ||
		{ tail -n 20 "$1.log"; return 1; }
	cp "$1"/*.ko "$work/kit" && without_debug "$work"/kit/*.ko
}

unpack_and_check() { unpack_scripts && in_kernel_style "$1"; }

# -- the domains -----------------------------------------------------------------

front_domain=domU1 back_domain=dom0

# inside DOMAIN END LINE
inside() {
	case $2 in front) module=$front_module driver=$front_driver ;; back) module=$back_module driver=$back_driver ;; esac
	in_domain "$1" "end=$2 type=$type module=$module driver=$driver guest=$guest backend=$backend; . /tmp/driver/inside.sh; $3"
}

at_front() { inside "$front_domain" front "$1"; }
at_back() { inside "$back_domain" back "$1"; }
at_dom0() { inside dom0 back "$1"; }
at() { if [ "$1" = front ]; then at_front "$2"; else at_back "$2"; fi; }
other() { if [ "$1" = front ]; then echo back; else echo front; fi; }
place() { if [ "$1" = front ]; then echo "$front_domain"; else echo "$back_domain"; fi; }

fresh_lab() {
	"$lab" reset 2 >/dev/null || bail_out "the lab does not start"
	for domain in dom0 domU1 domU2; do equip $domain || bail_out "nothing can be copied to $domain"; done
	back_domain=dom0
	find_domids
}

equip() {
	in_domain "$1" 'rm -rf /tmp/driver' && "$lab" put "$1" "$work/kit" /tmp && in_domain "$1" 'mv /tmp/kit /tmp/driver'
}

find_domids() {
	guest=$(in_dom0 'xl domid domU1') || return
	backend=0
	[ "$back_domain" = dom0 ] || backend=$(in_dom0 "xl domid $back_domain")
}

# -- what is watched -------------------------------------------------------------

ledger_is_back() { is_again "$1" printed_ledger; }

mark_logs() {
	mark="driver.t: $1 $$"
	for domain in dom0 domU1 domU2; do in_domain $domain "echo '$mark' >/dev/kmsg" 2>/dev/null; done
}

log_since() { in_domain "$1" "dmesg | sed '1,/$mark/d'"; }

# unknown: of a kernel's log, without the warnings that the file says are known.
unknown() {
	awk -v known="$(facts known | sed 's/[[:space:]].*//' | paste -sd '|')" '
		known != "" && /WARNING:/ && $0 ~ known { skip = 1 }
		!skip
		/---\[ end trace/ { skip = 0 }'
}

logs_are_clean() {
	for domain; do
		said=$(log_since "$domain" | unknown | grep -v 'module verification failed' |
			grep -E 'BUG|WARN|Oops|Call Trace|rcu.*stall|blocked for more|general protection|g\.e\.|deferring')
		[ -z "$said" ] || { echo "in $domain:"; echo "$said"; return 1; }
	done
}

# -- a connection ----------------------------------------------------------------

inserted() { at_back insert && at_front insert; }
activated() { at_dom0 activate && at_dom0 "until_states '4 4'"; }
deactivated() { at_dom0 deactivate && at_front until_no_device && at_back until_no_device; }
both_removed() { at_front 'rmmod $module' && at_back 'rmmod $module'; }

# connected_again: a driver that does not connect again has its device made anew.
connected_again() {
	if [ -z "$(cannot reconnect)" ]; then at_dom0 "until_states '4 4'"; else deactivated && activated; fi
}

# What the file says that the device can do.
works() {
	facts works >"$work/works"
	while read -r domain command <&4; do
		case $domain in dom0) domain=$back_domain ;; *) domain=$front_domain ;; esac
		ok "it works: $command" in_domain "$domain" "guest=$guest backend=$backend; $command" || return
	done 4<"$work/works"
	[ -s "$work/works" ] || skip "the device does what it is for" "the file nodes has no line 'works DOMAIN COMMAND'"
}

# -- the parts -------------------------------------------------------------------

# start_of PART: with nothing there.
start_of() {
	mark_logs "$1"
	start=$(printed_ledger)
	has "$start" '^grants [0-9]+ channels [1-9]' "$1: the ledger can be read: $start"
}

end_of_part() {
	ok "$1: deactivated" deactivated || return
	ok "$1: both modules can be removed" both_removed || return
	is "$(in_dom0 "xenstore-ls -f | grep -E '^/local/domain/[0-9]*/(device|backend)/$type/'")" "" "$1: no node is left in XenStore" || return
	ok "$1: grants and event channels are back where they began" ledger_is_back "$start" || return
	ok "$1: the kernels' logs are clean" logs_are_clean "$front_domain" "$back_domain"
}

life() {
	for round in 1 2; do
		start_of "life $round" || return
		ok "life $round: both modules are loaded" inserted || return
		ok "life $round: activated, both ends are Connected" activated || return
		at_dom0 published >"$work/kit/honest"
		[ $round = 2 ] || works
		end_of_part "life $round" || return
	done
	known_nodes
}

# known_nodes: what the ends publish has to be in the file, or cannot be lied about.
known_nodes() {
	"$lab" put dom0 "$work/kit/honest" /tmp/driver && "$lab" put domU1 "$work/kit/honest" /tmp/driver &&
		"$lab" put domU2 "$work/kit/honest" /tmp/driver
	while read -r end node _; do
		case $node in state | backend | backend-id | frontend | frontend-id | online | */*) continue ;; esac
		[ -n "$(kind_of "$end" "$node")" ] ||
			skip "the ${end}end's node $node" "the file nodes does not say what it is: node $end $node port|grant|number|text"
	done <"$work/kit/honest"
}

kind_of() { facts node | awk -v end="$1" -v node="$2" '$1 == end && $2 == node { print $3 }'; }

# Each end leaves and comes back, first and second.
bound() {
	start_of bound || return
	ok "bound: both modules are loaded" inserted && ok "bound: activated" activated || return
	for end in front back; do
		ok "bound: the ${end}end's driver is unbound" at $end unbind || return
		ok "bound: the other end leaves Connected" at_dom0 until_left || return
		ok "bound: it is bound, and both ends are Connected" bound_again $end || return
		ok "bound: the ${end}end's module is removed and loaded" at $end 'unbind && rmmod $module && insert' || return
		ok "bound: both ends are Connected" connected_again || return
	done
	for order in 'front back front back' 'front back back front' 'back front front back' 'back front back front'; do
		# shellcheck disable=SC2086 # four words
		ok "bound: ends leave and come back in the order $order" in_order $order || return
	done
	works_again
	end_of_part bound
}

bound_again() { at "$1" bind && connected_again; }

in_order() {
	at "$1" unbind && at "$2" unbind && at_dom0 until_left && at "$3" bind && at "$4" bind && connected_again
}

works_again() { [ -z "$(facts works)" ] || works; }

# Many connections, and the memory of both domains.
memory() {
	start_of memory || return
	ok "memory: both modules are loaded" inserted && ok "memory: activated and deactivated 3 times" over_and_over 3 || return
	front_before=$(at_front free_kib) back_before=$(at_back free_kib)
	ok "memory: activated and deactivated 20 times" over_and_over 20 || return
	front_lost=$((front_before - $(at_front free_kib))) back_lost=$((back_before - $(at_back free_kib)))
	ok "memory: the frontend's domain has lost less than 1 MiB ($front_lost KiB)" test $front_lost -lt 1024
	ok "memory: and the backend's ($back_lost KiB)" test $back_lost -lt 1024
	ok "memory: activated" activated || return
	end_of_part memory
}

over_and_over() {
	for turn in $(seq "$1"); do activated && deactivated || { echo "turn $turn of $1"; return 1; }; done
}

restored() {
	can restore "a guest that is saved and restored" || return 0
	start_of restored || return
	ok "restored: both modules are loaded" inserted && ok "restored: activated" activated || return
	ok "restored: xl save" in_dom0 'xl save domU1 /tmp/saved 2>&1' || return
	ok "restored: the backend's device is gone" at_back until_no_device || return
	at_dom0 deactivate >/dev/null
	ok "restored: xl restore, paused" in_dom0 'xl restore -p /tmp/saved 2>&1; status=$?; rm -f /tmp/saved; exit $status' || return
	find_domids
	ok "restored: the device is made for the guest's new number" at_dom0 activate || return
	ok "restored: the guest goes on" in_dom0 'xl unpause domU1' && ok "restored: it answers" until_answers domU1 || return
	ok "restored: both ends are Connected" at_dom0 "until_states '4 4'" || return
	works_again
	end_of_part restored
}

# What Xen has of a domain that was destroyed, dom0 must have given back.
destroyed() {
	start_of destroyed || return
	ok "destroyed: both modules are loaded" inserted && ok "destroyed: activated" activated || return
	ok "destroyed: xl destroy domU1" in_dom0 'xl destroy domU1' || return
	ok "destroyed: the backend's device is gone" at_back until_no_device || return
	ok "destroyed: nobody keeps pages of the guest" no_zombie || return
	ok "destroyed: deactivate.sh removes what is left" at_dom0 deactivate
	ok "destroyed: the backend's module can be removed" at_back 'rmmod $module'
	ok "destroyed: dom0 is well" at_back kernel_is_well
	ok "destroyed: dom0's log is clean" logs_are_clean dom0
	fresh_lab
}

no_zombie() {
	for try in 1 2 3 4 5 6 7 8 9 10; do
		there=$(in_dom0 "xl list | awk 'NR > 1 { print \$1 }'")
		printf '%s\n' "$there" | grep -qx -e domU1 -e '(null)' || return 0
		sleep 1
	done
	echo "xl list still has: $there"
	return 1
}

# The backend in domU2, and that domain is gone.
bereft() {
	can backend-domain "the backend in a domain that is destroyed" || return 0
	back_domain=domU2
	find_domids
	mark_logs bereft
	ok "bereft: the backend's module is loaded in domU2" at_back insert && ok "bereft: the frontend's" at_front insert || return
	ok "bereft: activated, with the backend in domU2" activated || return
	ok "bereft: xl destroy domU2" in_dom0 'xl destroy domU2' || return
	ok "bereft: the frontend leaves Connected" at_dom0 until_left || return
	ok "bereft: deactivate.sh removes what is left" at_dom0 deactivate
	ok "bereft: the frontend's device is gone" at_front until_no_device || return
	ok "bereft: its module can be removed" at_front 'rmmod $module' || return
	ok "bereft: the guest is well" at_front kernel_is_well
	ok "bereft: its log is clean" logs_are_clean domU1
	fresh_lab
}

# hostile END: a shell plays that end, and says what no driver would. The other end's kernel
# has to bear it, and the next honest connection has to work.
hostile() {
	victim=$(other "$1")
	start_of "hostile $1end" || return
	ok "hostile $1end: the $victim's module is loaded" at "$victim" insert || return
	attack "$1" "each state after each other one" states_in_all_orders || return
	facts node >"$work/nodes"
	while read -r end node kind <&4; do
		[ "$end" != "$1" ] || attack "$1" "its $node, a $kind, is not one" "lie '$node' $kind" || return
	done 4<"$work/nodes"
	attack "$1" "nodes disappear" remove_nodes || return
	ok "hostile $1end: the module of the $1end is loaded" at "$1" insert || return
	ok "hostile $1end: an honest connection works afterwards" activated || return
	works_again
	end_of_part "hostile $1end"
}

hostile_front() { hostile front; }
hostile_back() { hostile back; }

# attack END WHAT LINE: with a new device.
attack() {
	mark_logs "$2"
	ok "hostile $1end: $2" at_dom0 activate || return
	at "$1" "$3; echo ended" >"$work/attack" 2>&1
	ok "hostile $1end: $2: all of it was said" grep -qx ended "$work/attack" || return
	ok "hostile $1end: $2: the $victim's kernel is well" at "$victim" kernel_is_well || return
	ok "hostile $1end: $2: its log is clean" logs_are_clean "$(place "$victim")"
	lines=$(log_since "$(place "$victim")" | grep -c "$type")
	ok "hostile $1end: $2: and not full ($lines lines)" test "$lines" -le 200
	ok "hostile $1end: $2: the device can be removed" at_dom0 deactivate && ok "hostile $1end: $2: and is gone" at "$victim" until_no_device
}

# -- all of it -------------------------------------------------------------------

read_facts
cp "$top/common/tests/driver/inside.sh" "$own/activate.sh" "$own/deactivate.sh" "$work/kit" || bail_out "$own has no activate.sh and deactivate.sh"
sources
[ "$tests_failed" -eq 0 ] || { done_testing; exit 1; }
[ "$parts" != sources ] || { done_testing; exit; }
fresh_lab
hurt=
# A liar's other nodes are those of an honest connection, which is seen there.
case " $parts " in *' life '*) ;; *) parts="life $parts" ;; esac
for part in $parts; do
	[ -z "$hurt" ] || { fresh_lab; hurt=; }
	before=$tests_failed
	$part
	[ "$tests_failed" -eq "$before" ] || { hurt=y; echo "# the rest of '$part' is left out"; }
done
facts known | sed 's/^/# not counted, because the file nodes says so: /'
[ -z "$(facts node)" ] && skip "lies about nodes" "the file nodes names none"
is "$(in_dom0 "xl dmesg | grep -E '(grant_table|event_channel|event_fifo|mm)\\.c:|BUG|WARN' | tail -n 20")" "" "Xen has no complaint"
done_testing

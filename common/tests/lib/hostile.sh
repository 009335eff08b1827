# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0
#
# Hostile peers: either end is played by common/tests/hostile/evil, as bad as the cases
# in common/tests/hostile/cases say, and the other end has to bear it. What is looked at
# after each case is in common/tests/hostile/judge, which runs in dom0: it takes too
# long to log in for each command.

. "$(dirname "$0")/../lib/endings.sh"
if debugging; then domus=2; else domus=1; fi
# The last stage has all that can be attacked in the earlier ones.
debugging || stages=$(long 03-shared-memory "$stages")
hostile=$top/common/tests/hostile

# -- what the domains need ----------------------------------------------------

make_hostile_kit() {
	make_kit
	"$top/common/tests/build" common/tests/hostile/evil || bail_out "evil cannot be compiled"
	mkdir -p "$work/kit/hostile"
	cp -r "$hostile/protocol" "$hostile/cases" "$hostile/judge" "$work/kit/hostile"
	cp "$work/evil" "$work/kit"
	printf '%s\n' "$ledger_in_dom0" >"$work/kit/hostile/ledger"
	: >"$work/kit/03-shared-memory/small"
}

# A shell for the other domain, behind a port that only the lab's domains reach.
open_shell() { in_domain "$1" 'setsid nc -ll -p 5000 -e sh >/dev/null 2>&1 </dev/null &'; }

# Where one is needed: at both ends, and where the toolstack is.
shells() { printf '%s\n' dom0 domU1 "$back_domain" | sort -u; }

# Two devices that bytes flow through; then the evil end's driver leaves the first.
prepare() {
	devices="0 1" guest=$(domid domU1)
	backend=$(domid_of "$back_domain")
	ok "$stage: the backend is loaded" at_back insert || return
	ok "$stage: the frontend is loaded, with rings of 4 pages" at_front insert || return
	ok "$stage: two devices, and bytes flow" activated || return
	for shell in $(shells); do open_shell "$shell"; done
}

begin_attack() {
	case $1 in front) domain=$front_domain bus=xen ;; back) domain=$back_domain bus=xen-backend ;; esac
	in_domain "$domain" "echo 0 >/sys/bus/$bus/drivers_autoprobe"
	devices=0
	ok "$stage: the driver of the $1end leaves a device to evil" "at_$1" unbind || return
	ok "$stage: both ends of that are Closed" at_dom0 "until_all '6 6'"
	devices="0 1"
}

end_attack() {
	ok "$stage: the driver takes the device back" "at_$1" 'devices=0; bind' || return
	ok "$stage: bytes flow" connected_and_flows || return
	in_domain "$domain" "echo 1 >/sys/bus/$bus/drivers_autoprobe"
}

# -- the judgement --------------------------------------------------------------

# judge SIDE CASE...: what the judge says of each case becomes a test.
judge() {
	side=$1
	shift
	LAB_TIMEOUT=$(long 1800 43200) in_dom0 "ln -sfn $stage /tmp/kit/stage; LONG=$(long '' y) BUSY=${busy-} SLOW=$(if debugging; then echo 2; else echo 1; fi) BACKEND=$backend BACK_ADDRESS=$(address_of "$back_domain") sh /tmp/kit/hostile/judge $side $stage $guest $*" >"$work/said" 2>&1 ||
		echo "wrong: the judge did not come to the end" >>"$work/said"
	for case; do
		said=$(sed -n "/^case $case\$/,/^took/p" "$work/said")
		if [ -n "$said" ] && ! printf '%s\n' "$said" | grep -q '^wrong' && printf '%s\n' "$said" | grep -q '^took'; then
			pass "$stage: $case ($(printf '%s\n' "$said" | sed -n 's/^took //p') ms)"
			printf '%s\n' "$said" | sed -n 's/^said: /# /p'
		else
			fail "$stage: $case" "${said:-nothing was said of it}"
		fi
	done
	! grep -q '^wrong: the judge' "$work/said" || fail "$stage: the judge comes to the end" "$(tail -n 20 "$work/said")"
}

address_of() { case $1 in dom0) echo 10.0.2.15 ;; *) echo "10.0.2.10${1#domU}" ;; esac; }

# The cases of a side that the stage has something for; of those HOSTILE_CASES, if it is set.
cases_of() {
	for case in "$hostile"/cases/[0-9]*-"$1"-*; do
		case " ${HOSTILE_CASES-${case##*/}} " in *" ${case##*/} "*) ;; *) continue ;; esac
		stages_of_case=$(sed -n 's/^#: stages //p' "$case")
		case " ${stages_of_case:-03} " in *" ${stage%%-*} "*) echo "${case##*/}" ;; esac
	done
}

# A quarter of a minute for each side; with CHECK=long five minutes.
walks_of() {
	[ -z "${HOSTILE_CASES+set}" ] && [ -e "$hostile/protocol/walk-$1-${stage%%-*}" ] || return 0
	for n in $(seq "$(long 1 20)"); do echo "walk:$((seed + n)):15"; done
}

# The stage with all cases of a side; the ledger is the same at both ends of that.
hostile_stage() {
	mark_logs "$1"
	start=$(ledger)
	prepare || return
	begin_attack "$1" || return
	[ "$1" = front ] || mapped_in=$back_domain	# by evil; the victim's lockdep is awake
	between=$(ledger)
	# shellcheck disable=SC2046 # one word a case
	judge "$1" $(cases_of "$1") $(walks_of "$1")
	ok "$stage: grants and event channels are what they were before the cases" ledger_is_back "$between"
	end_attack "$1" || return
	mark_logs "after the cases"	# what they leave in the victim's was judged
	for shell in $(shells); do in_domain "$shell" 'kill $(pidof nc)'; done
	finish
}

# The walks' seed: HOSTILE_SEED, or another one each time.
test_hostile() {
	# shellcheck disable=SC2086 # one word a case
	must_know HOSTILE_CASES "$(cd "$hostile/cases" && echo ./* | sed 's,\./,,g')" ${HOSTILE_CASES-}
	case " ${HOSTILE_CASES--$1-} " in *-"$1"-*) ;; *) bail_out "HOSTILE_CASES has no case of a hostile $1end: '$HOSTILE_CASES'" ;; esac
	seed=${HOSTILE_SEED:-$(($(date +%s) % 100000 * 100))}
	make_hostile_kit
	hurt=y
	for stage in $stages; do
		[ -z "$hurt" ] || fresh_lab
		hurt=
		before=$tests_failed
		hostile_stage "$1"
		[ "$tests_failed" -eq "$before" ] || hurt=y
	done
	is "$(xen_says)" "" "Xen has no complaint"
	done_testing
}

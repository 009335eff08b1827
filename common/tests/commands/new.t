#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# make new makes a driver that builds without the tutorial and passes the tests for any driver. All
# targets have to work for it, too. The tests for any driver (driver.t) are themselves tested, with
# one of Linux's own drivers, and with a driver that loses something.

top=$(cd "$(dirname "$0")/../../.." && pwd -P)
work=$top/.build/tests/new.t
lab=$top/common/lab/lab
rm -rf "$work"
mkdir -p "$work" || exit
unset DOMU BACKEND DEVICE WHERE FRONT BACK VIEW STEP NAME FROM DIR DRIVER_DIR DRIVER_PARTS
. "$top/common/tests/lib/tap.sh"
. "$top/common/tests/lib/source.sh"

# Outside of the tutorial, as that is refused within.
made=$(mktemp -d) || exit
trap 'rm -rf "$made"' EXIT

new() { make -s --no-print-directory -C "$top" new "$@" </dev/null; }
refused() { says 2 "$1" new_and_say "$@"; }
new_and_say() { shift; new "$@" 2>&1; }

unpack_scripts || bail_out "checkpatch cannot be taken from the kernel's source"

# -- what is refused -------------------------------------------------------------

ok "no name" refused 'what is the device called' FROM=01-hello-probe
ok "a name that C does not have" refused 'lower-case letters.*my-clock' NAME=my-clock FROM=01-hello-probe
ok "one with a number at its end" refused 'a letter first and last.*clock2' NAME=clock2 FROM=01-hello-probe
ok "one that XenBus has no room for" refused '12 characters, and at most 9 are allowed' NAME=grandfathers FROM=01-hello-probe
ok "a type that Xen has" refused "'vif' is already a device type of Xen" NAME=vif FROM=01-hello-probe
ok "the tutorial's own" refused "own device" NAME=mydevice FROM=01-hello-probe
ok "a name that the sources use" refused "use 'ring_" NAME=ring FROM=03-shared-memory
ok "no stage" refused 'from which stage' NAME=myclock
ok "a stage that does not exist" refused 'FROM is one of: 01-.*not .04-more' NAME=myclock FROM=04-more
ok "two stages" refused 'FROM is one of: 01-.*not .01-hello-probe 02-event-channels' NAME=myclock FROM='01-hello-probe 02-event-channels' DIR="$made/x"
ok "a way to the tutorial that sed or make takes for more" refused "cannot have the way to the tutorial, '/a[|]b'" NAME=myclock FROM=01-hello-probe \
	DIR="$made/x" TUTORIAL_PATH='/a|b'
ok "a place that looks like an option" refused "your own driver is not part of the tutorial" NAME=myclock FROM=01-hello-probe DIR=-x
ok "a step of a stage that has none" refused 'no series of commits' NAME=myclock FROM=01-hello-probe STEP=1
ok "a step that does not exist" refused 'from 1 to [0-9]*: not .99' NAME=myclock FROM=03-shared-memory STEP=99 DIR="$made/x"
ok "one of post 4's driver that does not exist" refused 'from 1 to [0-9]*: not .99' NAME=mydisk FROM=04-your-own-driver STEP=99 DIR="$made/x"
ok "a process that is neither wanted nor not" refused "PEER is yes or no: not 'maybe'" NAME=myclock FROM=01-hello-probe PEER=maybe
ok "a place within the tutorial" refused 'not part of the tutorial' NAME=myclock FROM=01-hello-probe DIR=common/myclock
ok "a place below nothing" refused 'the directory .* does not exist' NAME=myclock FROM=01-hello-probe DIR="$made/no/x"
ok "a path that Kbuild cannot build in" refused 'cannot build in' NAME=myclock FROM=01-hello-probe DIR="$made/a b"
touch "$made/file"
ok "a file that is there" refused 'exists already' NAME=myclock FROM=01-hello-probe DIR="$made/file"
is "$(ls "$made")" file "nothing is left of all that"

# -- what is made ----------------------------------------------------------------

# has_no_trace DIRECTORY: of the tutorial's name.
has_no_trace() { ! grep -ril mydevice "$1" --exclude-dir=.git; }

documented_kinds() { ! awk '$1 == "node" && $4 !~ /^(port|grant|number|text)$/' "$1/nodes" | grep .; }

# A short name and a long one: the lines below an open bracket move.
[ "${CHECK-}" != long ] || also='ninechars 02-event-channels'
for made_of in 'abc 01-hello-probe' ${also:+"$also"} 'abd 03-shared-memory' 'ninecharz 03-shared-memory' 'step 03-shared-memory 6'; do
	# shellcheck disable=SC2086 # two words or three
	set -- $made_of
	ok "$1 from $2 $3" new NAME="$1" FROM="$2" STEP="${3-}" DIR="$made/$1" || continue
	ok "$1: nothing in it is called mydevice" has_no_trace "$made/$1"
	ok "$1: checkpatch --strict has nothing to say" in_kernel_style "$made/$1"
	ok "$1: its file nodes has kinds that driver.t knows" documented_kinds "$made/$1"
	is "$(git -C "$made/$1" log --format=%s | paste -sd ,) $(git -C "$made/$1" status --short)" \
		"$1: begin with $2${3:+, step $3} of the tutorial " "$1: a repository with one commit"
done

ok "one without the process" new NAME=alone FROM=02-event-channels PEER=no DIR="$made/without"
is "$(find "$made/without" -name "*peer*" -o -name "*bus*"; grep -i peer "$made/without/Makefile")" "" "has nothing of it"
ok "make load FRONT=user there says why not" says 2 'both ends of this driver are modules' make -C "$made/without" load FRONT=user
rm -rf "$made/without"

ok "a driver that is to be used" new NAME=myclock FROM=02-event-channels DIR="$made/myclock"
cp -r "$made/myclock" "$made/alone"
ok "it builds without the tutorial" make -C "$made/alone" TUTORIAL=/nonexistent KDIR="$headers"

# -- its targets -----------------------------------------------------------------

target() { make --no-print-directory -C "$made/myclock" "$@" </dev/null 2>&1; }

"$lab" reset 1 || bail_out "the lab does not start"
ok "mydevice is loaded" make -C "$top/02-event-channels" load
ok "beside it, make load" says 0 "make -C $made/myclock try" target load
ok "make status" says 0 'myclockback is loaded$' target status
ok "make log" says 0 'myclockfront myclock-0: Connected' target log
ok "make try" says 0 '^events_received:1|events_received:1$' target try
ok "make doctor" says 0 'ok: myclock-0: both ends are Connected' target doctor
ok "make deactivate" says 0 'is removed' target deactivate
ok "make try says what to do" says 2 "make -C $made/myclock" target try
ok "make activate" says 0 'is activated' target activate
ok "make diff shows what was changed" eval "echo '/* mine */' >>'$made/myclock/myclock.h' && target diff | grep -qF '+/* mine */'"
ok "make help" says 0 'make check     test this driver' target help
ok "make lab-status" says 0 'domU1 answers' target lab-status
ok "make unload" says 0 '^unloaded' target unload
ok "a process at each end" says 0 'Both ends are Connected' target load FRONT=user BACK=user
ok "make unload ends them" says 0 '^unloaded' target unload
has "$(make --no-print-directory -C "$top/02-event-channels" status)" 'backend Connected, frontend Connected' "mydevice is as it was"
make -C "$top/02-event-channels" unload >/dev/null 2>&1

# -- the tests for any driver ----------------------------------------------------

# suite DIRECTORY PART...: sets said.
suite() {
	dir=$1
	shift
	said=$(DRIVER_DIR=$dir DRIVER_PARTS=$* "$top/common/tests/driver/driver.t" 2>&1)
}

parts() { if [ "${CHECK-}" = long ]; then echo life bound memory hostile_front hostile_back restored destroyed bereft; else echo "$@"; fi; }

# passes_all WHAT: it did, and its last line says how many there were.
passes_all() {
	! printf '%s\n' "$said" | grep '^not ok' && printf '%s\n' "$said" | tail -n 1 | grep -q '^1\.\.[0-9]' ||
		{ printf '%s\n' "$said" | tail -n 20; return 1; }
}

# clock.t has that for the driver of post 4, which has all that this one has.
# shellcheck disable=SC2046 # a part a word
[ "${CHECK-}" != long ] || { suite "$made/myclock" $(parts) && ok "driver.t passes for the new driver" passes_all; }
# shellcheck disable=SC2046
suite "$top/common/tests/driver/vbd" $(parts life hostile_front)
ok "driver.t passes for Linux's own block device" passes_all
has "$said" '^ok .*the sources # SKIP' "and says that it has no sources to look at"

# A frontend that keeps its event channel.
sed -i 's/unbind_from_irqhandler(info->irq, info);/disable_irq(info->irq);/' "$made/myclock/myclockfront.c"
suite "$made/myclock" life
has "$said" '^not ok' "driver.t finds a driver that loses an event channel"
"$lab" stop
done_testing

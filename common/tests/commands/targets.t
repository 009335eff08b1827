#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# A stage's targets cope with everything that posts, exercises and accidents leave behind. They
# recover from it, tell the truth and end. The test runs in a tree of its own, because some cases
# need a stage with another name, or with a fault.

top=$(cd "$(dirname "$0")/../../.." && pwd -P)
work=$top/.build/tests/targets.t
tree=$work/tree
lab=$top/common/lab/lab
export LAB_BUILD="${LAB_BUILD:-$top/.build/lab}"
unset DOMU BACKEND DEVICE WHERE FRONT BACK VIEW
. "$top/common/tests/lib/tap.sh"
all='paths not_writable cut_off which_stage limits builds other_name half_devices misplaced activations mixed silent_guests complaints crashes hangs panics'
must_know targets.t "$all" "$@"

in_dom0() { LAB_TIMEOUT=120 "$lab" run dom0 "$1" </dev/null; }
in_domU() { LAB_TIMEOUT=120 "$lab" run domU "$1" </dev/null; }
in_domU2() { LAB_TIMEOUT=120 "$lab" run domU2 "$1" </dev/null; }

# target STAGE TARGET [VARIABLE=VALUE...]: sets said and status. It ends by itself.
target() {
	stage=$1
	shift
	said=$(timeout 600 make --no-print-directory -C "$tree/$stage" "$@" 2>&1 </dev/null)
	status=$?
}

# wants STATUS PATTERN DESCRIPTION: of the last target.
wants() {
	[ "$status" -eq "$1" ] && printf '%s\n' "$said" | grep -Eq -- "$2" && pass "$3" ||
		fail "$3" "status $status, not $1, or nothing matches $2 in:" "$said"
}

lacks() {
	! printf '%s\n' "$said" | grep -Eq -- "$1" && pass "$2" || fail "$2" "$said"
}

# Anywhere: nodes of ours, modules, processes.
left() {
	in_dom0 'xenstore-ls -f | grep -E "/my(device|clock)"; lsmod | grep -E "^my(device|clock)"; pidof mydevicepeer'
	for guest in $(in_dom0 'xl list' | sed -n 's/^\(domU[0-9]\) .*/\1/p'); do
		LAB_TIMEOUT=60 "$lab" run "$guest" 'lsmod | grep -E "^my(device|clock)"; pidof mydevicepeer' </dev/null
	done
}

# comes_back WHAT: unload, after that.
comes_back() {
	target 01-hello-probe unload
	wants 0 '^unloaded: no device and no module of ours is left$' "unload, after $1"
	is "$(left)" "" "and nothing is left"
}

insmod_in() {
	"$lab" put "$1" "$tree/01-hello-probe/$2.ko" /tmp && LAB_TIMEOUT=120 "$lab" run "$1" "insmod /tmp/$2.ko" </dev/null
}

script() {
	name=$1
	shift
	LAB_TIMEOUT=120 "$lab" run dom0 sh -s -- "$@" <"$tree/01-hello-probe/$name"
}

# copy_stage FROM TO [SED-COMMAND FILE]: a stage of the tree, changed.
copy_stage() {
	rm -rf "${tree:?}/$2" && cp -r "$tree/$1" "$tree/$2" && rm -f "$tree/$2"/*.o "$tree/$2"/*.ko || return
	[ $# -lt 4 ] || { sed -i "$3" "$tree/$2/$4" && ! cmp -s "$tree/$1/$4" "$tree/$2/$4"; }
}

# What is put at the beginning of probe.
fault='/^static int mydevicefront_probe/,/^}/s/^{$/{\n\t'

make_tree() {
	rm -rf "$work" && mkdir -p "$tree" &&
		(cd "$top" && git ls-files -z --cached --others --exclude-standard Makefile .gitignore 'common/*' '0*-*' | tar -c --null -T - -f -) |
		tar -C "$tree" -xf -
}

# -- without a lab -----------------------------------------------------------------

paths() {
	for path in 'a b' 'a:b' "a'b"; do
		mkdir -p "$work/$path" && cp -r "$tree/common" "$tree/01-hello-probe" "$tree/Makefile" "$work/$path/"
		for words in load unload status "KDIR=/nowhere"; do
			said=$(make --no-print-directory -C "$work/$path/01-hello-probe" "$words" WHERE=lab 2>&1 </dev/null)
			is "$? $(printf '%s\n' "$said" | wc -l)" "2 1" "make $words in '$path': one line"
			has "$said" "cannot build in '.*/01-hello-probe', because of a space" "that says why"
		done
		said=$(make -C "$work/$path" check 2>&1 </dev/null)
		has "$said" 'cannot build in' "make check in '$path' says so, too"
		for words in check-quick soak bench tools coverage 'new NAME=myclock FROM=01-hello-probe'; do
			# shellcheck disable=SC2086 # the words are words
			ok "make ${words%% *} in '$path', too" says 2 "cannot build in '" make -C "$work/$path" $words
		done
		mkdir -p "$work/$path/.build/lab" && cp -al "$LAB_BUILD"/images "$LAB_BUILD"/ssh-key* "$work/$path/.build/lab"
		ok "the lab starts in '$path'" env LAB_NAME=odd LAB_BUILD="$work/$path/.build/lab" sh -c '
			make -C "$1" lab-start && make -C "$1" lab-run DOMAIN=dom0 CMD="true" && make -C "$1" lab-stop' sh "$work/$path"
		rm -rf "${work:?}/$path"
	done
}

# Where a file is in its way, root may not make a directory, either.
not_writable() {
	touch "$tree/.build"
	for words in soak bench coverage; do
		ok "make $words where .build cannot be written" says 2 "cannot be written, because .* or in a clone of your own" \
			make -C "$tree" "$words"
	done
	rm "$tree/.build"
}

# What is cut off leaves nothing in /tmp. The programs in need's place are the first in PATH.
cut_off() {
	rm -rf "$work/tmp" "$work/fakes" && mkdir -p "$work/tmp" "$work/fakes"
	is "$(TMPDIR=$work/tmp make -s --no-print-directory -C "$tree/03-shared-memory" diff VIEW=side WHERE=lab 2>/dev/null | :
		ls "$work/tmp")" "" "make diff, of which nobody reads anything, leaves nothing in /tmp"
	printf '#!/bin/sh\nexec "$@"\n' >"$work/fakes/sudo"
	printf '#!/bin/sh\n' >"$work/fakes/dpkg-query"
	for signal in HUP=129 INT=130 TERM=143; do
		printf '#!/bin/sh\nkill -%s "$NEED"\n' ${signal%=*} >"$work/fakes/apt-get"
		chmod +x "$work/fakes"/*
		ok "common/need ends at SIG${signal%=*}" says ${signal#*=} 'fetching and installing' \
			env --default-signal=HUP,INT TMPDIR="$work/tmp" PATH="$work/fakes:$PATH" sh -c 'export NEED=$$; exec "$1/common/need" build' sh "$tree"
		is "$(ls "$work/tmp")" "" "and leaves nothing in /tmp"
	done
	rm -r "$work/fakes"
}

which_stage() {
	for words in load unload activate deactivate status try log watch doctor diff; do
		ok "make $words at the top: which stage?" says 2 "which stage. .*make -C 03-shared-memory $words" make --no-print-directory -C "$tree" "$words"
	done
}

limits() {
	for limit in abc 0.5 -1 "it's" '1 2'; do
		target 03-shared-memory load LAB_TIMEOUT="$limit"
		is "$(printf '%s\n' "$said" | wc -l)" 1 "load, LAB_TIMEOUT=$limit: one line, before anything is built"
		wants 2 "LAB_TIMEOUT is a number of seconds: not '$limit'" "which says what is wrong"
	done
	LAB_TIMEOUT=1h target 03-shared-memory status
	wants 2 "LAB_TIMEOUT is a number of seconds: not '1h'" "status, LAB_TIMEOUT=1h from the environment"
	target 03-shared-memory help LAB_TIMEOUT=30
	wants 0 '^make load' "LAB_TIMEOUT=30 is one"
}

builds() {
	# What a failed build leaves is nothing that git would show.
	git -C "$tree" init -q && git -C "$tree" add -A && git -C "$tree" -c user.name=t -c user.email=t@example.org commit -qm t && sed -i 's/return/go back/' "$tree/01-hello-probe/mydeviceback.c"
	ok "a build that fails" sh -c "! make -C '$tree/01-hello-probe' mydevicepeer modules WHERE=lab"
	ok "leaves something" test -e "$tree/01-hello-probe/.mydeviceback.o.d"
	is "$(git -C "$tree" status --short -uall | grep -v mydeviceback.c)" "" "which git does not show"
	git -C "$tree" show :01-hello-probe/mydeviceback.c >"$tree/01-hello-probe/mydeviceback.c"
	target 01-hello-probe mydevicepeer modules WHERE=lab
	wants 0 'LD ' "the build, mended"
	is "$(find "$tree/01-hello-probe" -name '*.ko' | wc -l)" 2 "which makes two modules"
	# Without kernel headers, and without a look for them.
	for setting in KDIR= LAB_KERNEL=popcorn LAB_NAME='A B'; do
		ok "make clean $setting" env "$setting" LAB_MIRROR=http://127.0.0.1:9/debian make -s -C "$tree/01-hello-probe" clean
		is "$(git -C "$tree" status --short -uall --ignored)" "" "leaves nothing of the build"
		touch "$tree/01-hello-probe/mydevicefront.ko"
	done
	target 01-hello-probe clean KDIR=
	lacks 'headers|No such' "make clean KDIR= speaks of no headers"
	rm -rf "$tree/.git"

	# Kernel headers, where the kernel that runs has none here.
	mkdir -p "$work/bin" && printf '#!/bin/sh\necho 9.9.9-none\n' >"$work/bin/uname" && chmod +x "$work/bin/uname"
	said=$(PATH="$work/bin:$PATH" make -n -C "$tree/01-hello-probe" modules WHERE=host 2>&1)
	has "$said" 'make -C /lib/modules/[0-9][^ ]*/build M=' "without headers for this kernel: those that are installed"

	target 02-event-channels clean WHERE=lab
	target 02-event-channels modules WHERE=lab
	lacks 'BTF ' "a build does not speak of BTF"
	wants 0 'LD ' "a build"
}

# A driver of another name has all the targets.
other_name() {
	copy_stage 03-shared-memory myclock || bail_out "a stage cannot be copied"
	(cd "$tree/myclock" && for f in mydevice*; do mv "$f" "$(echo "$f" | sed s/mydevice/myclock/)"; done && sed -i s/mydevice/myclock/g ./*)
	target myclock help
	lacks mydevice "a renamed stage: help"
	wants 0 'build myclockfront.ko and myclockback.ko' "which speaks of its modules"
	target myclock diff
	wants 2 'myclock is not one of the stages' "it has no diff"
	target myclock check
	wants 2 "unknown test 'myclock': .*common/tests, as myclock\.t" "it has no test: where it would be"

	target myclock load
	wants 0 'Both ends are Connected' "a renamed stage: load"
	target myclock status
	wants 0 'myclockback is loaded$' "status: the backend"
	wants 0 'device 0 of domain 1: backend Connected, frontend Connected' "status: the device"
	wants 0 '/dev/myclock0$' "status: the nodes"
	lacks mydevice "status: nothing of mydevice"
	target myclock log
	wants 0 'myclockfront myclock-0: Connected' "log"
	target myclock try
	wants 0 '^hello, domU$' "try"
	target myclock doctor
	wants 0 'ok: myclock-1-0' "doctor"
	target 02-event-channels unload
	wants 0 unloaded "the unload of mydevice"
	has "$(in_dom0 'xenstore-read /local/domain/1/device/myclock/0/state; lsmod')" '^4$' "leaves it alone"
	target myclock unload
	wants 0 '^unloaded: no device and no module of ours is left$' "unload"
	is "$(left)" "" "and nothing is left"
}

half_devices() {
	target 01-hello-probe deactivate
	wants 2 'there is no device 0 of domain 1' "deactivate, and there is no device"
	target 01-hello-probe try
	wants 2 'there is no device to try' "try, and there is no device"

	target 01-hello-probe load
	wants 0 'Both ends are Connected' "load"
	in_dom0 'xenstore-rm /local/domain/0/backend/mydevice/1/0'
	comes_back "the backend's directory was removed"
	target 01-hello-probe load
	in_dom0 'xenstore-rm /local/domain/1/device/mydevice; xenstore-rm -t /local/domain/0/backend/mydevice/1/0'
	target 01-hello-probe load
	wants 0 'Both ends are Connected' "load after the directory above was removed, of which XenBus does not hear"
	in_dom0 'xenstore-rm /local/domain/1/device/mydevice/0'
	comes_back "the frontend's directory was removed"
	in_dom0 'for f in 1/device/mydevice/0 0/backend/mydevice/1/0 1/device/mydevice/3 2/device/mydevice 0/backend/mydevice/2 \
		1/device/mydevice/odd 0/backend/mydevice/1/odd 0/error/backend/mydevice/1/0/error 77/device/mydevice/0; do
		xenstore-write /local/domain/$f ""; done; xenstore-write /local/domain/1/device/mydevice/0/state 1'
	comes_back "bits of devices"
}

# What is where it should not be, and more of it than one.
misplaced() {
	script activate.sh --backend 2 1 && script activate.sh --device 7 1 && script activate.sh --device 1 2
	insmod_in dom0 mydevicefront
	insmod_in dom0 mydeviceback
	insmod_in domU mydeviceback
	insmod_in domU2 mydeviceback
	"$lab" put domU2 "$tree/01-hello-probe/mydevicepeer" /tmp
	in_domU2 'setsid /tmp/mydevicepeer --frontend --keep --device 1 </dev/null >/dev/null 2>&1 & sleep 1; kill -STOP $(pidof mydevicepeer)'
	target 02-event-channels status
	wants 0 'device 0 of domain 1, with its backend in domain 2: backend ' "status: a backend in another domain"
	wants 0 'mydevicefront is loaded; it is meant for a guest; it is the one of 01-hello-probe' "status: a module in the wrong domain, of another stage"
	wants 0 'device 7 of domain 1: ' "status: another number than 0"
	target 02-event-channels load
	wants 0 'Both ends are Connected' "load after all that"
	is "$(in_domU2 'lsmod | grep ^mydevice; pidof mydevicepeer'; in_dom0 'lsmod' | grep -c ^mydevice)" 1 "nothing of it is left, but what was loaded"
	is "$(in_dom0 'xenstore-ls -f' | grep -c '/\(mydevice/[0-9]\|mydevice/1/[0-9]\)/state')" 2 "and one device"

	# Another stage.
	target 01-hello-probe try
	wants 2 '02-event-channels is loaded, not this stage' "try: another stage is loaded"
	lacks '^grep|No such file' "try: no bare errors"
	is "$(printf '%s\n' "$said" | wc -l)" 4 "try: one clear line, and what to type"
	target 02-event-channels try
	wants 0 round_trip_ns "try: its own stage"
}

activations() {
	target 02-event-channels load
	target 02-event-channels deactivate
	wants 0 'device 0 of domain 1 is removed' "deactivate"
	target 02-event-channels activate
	wants 0 'device 0 of domain 1 is activated' "activate"
	target 02-event-channels activate
	wants 0 'device 0 of domain 1 is activated' "activate, again"
	in_dom0 'xenstore-rm /local/domain/0/backend/mydevice/1/0'
	target 02-event-channels activate
	wants 0 'device 0 of domain 1 is activated' "activate: half of it was there"
	target 02-event-channels activate DEVICE=3 DOMU=domU2 BACKEND=dom0
	wants 0 'device 3 of domain 2 is activated' "activate: another device, another guest"
	target 02-event-channels activate DEVICE=4 BACKEND=domU2
	wants 0 'device 4 of domain 1 is activated, with its backend in domain 2' "activate: another backend"
	target 02-event-channels deactivate DEVICE=4
	wants 0 'device 4 of domain 1 is removed' "deactivate finds its backend"
	target 02-event-channels deactivate DEVICE=3 DOMU=2
	wants 0 'device 3 of domain 2 is removed' "deactivate, by the domain's number"
	target 02-event-channels activate DEVICE=123456789
	wants 2 'XenBus allows 19' "activate: a number that is too long"
	target 02-event-channels activate DOMU=nobody
	wants 2 "there is no guest 'nobody'" "activate: no such guest"
	target 02-event-channels load DOMU=nobody
	wants 2 "the lab has no domain 'nobody'; it has: dom0 domU1 domU2" "load: no such guest"
	target 01-hello-probe load DOMU=domU2 BACKEND=domU1
	wants 0 'Both ends are Connected' "load: a driver domain"
	comes_back "a driver domain"
}

# Two ends that do not speak the same version.
mixed() {
	target 02-event-channels load FRONT=user MYDEVICEPEER="$tree/01-hello-probe/mydevicepeer"
	wants 2 'the two ends do not connect; their logs are above' "load: two stages mixed"
	lacks 'did not reach|Now try' "which is known soon"
	has "$said" "the domU's mydevicepeer says:" "the log of the one"
	has "$said" "dom0's kernel says:" "and of the other"
	comes_back "two stages mixed"
}

# A probe that never returns holds XenBus's thread.
hangs() {
	copy_stage 01-hello-probe hangs "${fault}while (1) msleep(1000);/" mydevicefront.c &&
		sed -i 's/^#include <linux.module.h>/&\n#include <linux\/delay.h>/' "$tree/hangs/mydevicefront.c" || bail_out "no fault can be put into a stage"
	target hangs load
	wants 2 'the two ends did not reach Connected within [0-9]+ s; their logs are above' "load: a probe that does not return"
	has "$said" 'the frontend is Initialising, the backend InitWait' "load: the states by their names"
	ok "lab run: a limit holds for what no signal reaches" says 124 'timed out after 5 s' \
		env LAB_TIMEOUT=5 "$lab" run domU 'echo mydevice-0 >/sys/bus/xen/drivers/mydevicefront/unbind'
	for words in unload load; do
		target 01-hello-probe $words
		wants 2 'mydevicefront in domU .*hangs' "$words: it says what hangs"
		has "$said" 'msleep' "$words: and where"
		has "$said" 'make lab-reset' "$words: and what to do"
	done
	target 01-hello-probe status
	wants 0 'device 0 of domain 1: backend (gone|Closed|InitWait|Closing)|mydevicefront is loaded' "status still works"
}

# A guest that cannot answer.
silent_guests() {
	in_dom0 'xl pause domU1'
	target 01-hello-probe load
	wants 2 'domU1 is paused' "load: a paused guest"
	target 01-hello-probe unload
	wants 2 'domU1 is paused' "unload: a paused guest"
	in_dom0 'xl unpause domU1; xl destroy domU2'
	target 01-hello-probe load
	wants 0 'Both ends are Connected' "load: another guest is gone"
	target 01-hello-probe load DOMU=domU2
	wants 2 'domU2 no longer exists' "load: its guest is gone"
	has "$said" 'make lab-reset' "load: what to do"
}

# -- a kernel that complains, and one that crashes ------------------------------------

complaints() {
	copy_stage 01-hello-probe warns "${fault}WARN_ON(1);/" mydevicefront.c || bail_out "no fault can be put into a stage"
	target warns load
	wants 2 'both ends are Connected, but the kernel of domU complained' "load: a WARNING"
	has "$said" 'WARNING: CPU' "load: it is shown"
	lacks 'Now try' "load: and nobody is told to try the device"
	target 01-hello-probe load
	wants 0 'Both ends are Connected' "load: a WARNING of earlier is forgotten"
}

crashes() {
	copy_stage 01-hello-probe crashes "${fault}BUG();/" mydevicefront.c || bail_out "no fault can be put into a stage"
	began=$(date +%s)
	target crashes load
	wants 2 'the kernel of domU has crashed' "load: a BUG in probe"
	has "$said" 'kernel BUG at .*mydevicefront.c' "load: it is shown"
	has "$said" 'make lab-reset' "load: what to do"
	for words in load unload status try activate deactivate; do
		target 01-hello-probe $words
		wants 2 'the kernel of domU has crashed' "$words afterwards"
	done
	target 01-hello-probe log
	wants 0 'kernel BUG at' "log afterwards"
	[ $(($(date +%s) - began)) -lt 600 ] && pass "none of them waits" || fail "none of them waits"
}

panics() {
	in_dom0 'echo c >/proc/sysrq-trigger' >/dev/null 2>&1
	target 01-hello-probe status
	wants 2 'dom0, or Xen, has crashed|dom0 does not answer' "dom0 panics: status says so"
	has "$said" 'Kernel panic' "and shows it"
	target 01-hello-probe load
	wants 0 'Both ends are Connected' "load starts another lab"
}

# -- which of them ----------------------------------------------------------------

# begin [DOMUS]: from a fresh lab, with the stages built.
begin() {
	"$lab" reset "$1" || bail_out "the lab does not start"
}

make_tree || bail_out "the tree cannot be copied"
# shellcheck disable=SC2086 # one word a part
[ $# -gt 0 ] || set -- $all
for part; do
	echo "# $part"
	case $part in
	paths | not_writable | cut_off | which_stage | limits | builds) ;;
	*)
		[ -e "$tree/01-hello-probe/mydevicepeer" ] || {
			target 01-hello-probe modules mydevicepeer WHERE=lab && target 02-event-channels modules WHERE=lab
			wants 0 '' "the stages are built"
		}
		case $part in
		silent_guests) begin 2 ;;	# and loses one
		hangs | panics) begin 1 ;;		# and loses it
		*) "$lab" running 2>/dev/null && [ "$("$lab" domains | wc -l)" -eq 3 ] || begin 2 ;;
		esac
		;;
	esac
	"$part"
done
done_testing

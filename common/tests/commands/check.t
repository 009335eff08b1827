#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# common/check counts right, keeps the tests apart and leaves nothing running. It runs in a tree of
# its own, with tests and a lab that do nothing.

top=$(cd "$(dirname "$0")/../../.." && pwd -P)
. "$top/common/tests/lib/tap.sh"
work=$top/.build/tests/check.t
tree=$work/tree
# They are those of the run that this test is in.
unset CHECK RESUME

make_tree() {
	rm -rf "$work"
	mkdir -p "$tree/common/tests/kind" "$tree/common/tests/settings" "$tree/common/lab" "$tree/common/parts"
	cp "$top/common/check" "$tree/common"
	cp "$top/common/parts/place.sh" "$tree/common/parts"
	cp "$top/common/tests/lane" "$tree/common/tests"
	program common/need <<-'END'
	END
	program common/lab/lab <<-'END'
		echo "$LAB_NAME $*" >>.build/labs
	END
}

# program FILE: makes it of what comes on standard input.
program() {
	{ echo '#!/bin/sh'; cat; } >"$tree/$1"
	chmod +x "$tree/$1"
}

a_test() { program "common/tests/kind/$1.t"; }

# Sets said and status. The lab's name and the like are not for those in there.
check() {
	said=$(cd "$tree" && env -u CHECK -u LAB_NAME CHECK_JOBS="${jobs-2}" common/check "$@" 2>&1 </dev/null)
	status=$?
	last=$(printf '%s\n' "$said" | tail -n 1)
}

# signalled SIGNAL WHOM TEST...: when two of them have begun, to the process, or with a minus to its group.
signalled() {
	(cd "$tree" && exec env CHECK_JOBS=2 perl -e '
		my ($signal, $whom, @command) = @ARGV;
		unlink ".build/tests/log";
		my $pid = fork // die;
		if (!$pid) { setpgrp; $SIG{INT} = "DEFAULT"; exec @command }
		for (1 .. 60) { sleep 1; last if `grep -cs begins .build/tests/log` >= 2 }
		kill $signal, $whom . $pid;
		waitpid $pid, 0;
		print "status ", $? & 127 || $? >> 8, "\n"' "$@" 2>&1)
}

# A process that a test left has its mark in its command line.
left() { pgrep -fc "^sleep 98$1\$"; }

make_tree
a_test listed <<-'END'
	# SPDX
	#
	# It has a purpose: to be listed. And more.
	fresh-lab
END
sed -i "s/fresh-lab/fresh""_lab/" "$tree/common/tests/kind/listed.t"
said=$(cd "$tree" && mkdir -p .build/tests && echo 'listed 61 3.1 0.0' >.build/tests/times && LIST=1 common/check listed)
has "$said" '^listed +lab +61 s  It has a purpose: to be listed$' "LIST=1: whether it needs a lab, how long it took, what it is for"
rm "$tree/.build/tests/times"
a_test seeds <<-'END'
	# SPDX
	#
	# The bugs are found.
	echo "ok 1 - $TEST_NAME with ${LAB_KERNEL-no} kernel, ${LAB_CPUS-no} processors, ${LAB_GUEST-no} guests"
	echo 1..1
END
cp "$top/common/tests/settings/run" "$tree/common/tests/settings"
printf 'dbg\tLAB_KERNEL=dbg\tseeds\nkasan\tLAB_KERNEL=kasan\tseeds\nboth\tLAB_CPUS=2 LAB_GUEST=pvh\tseeds listed\n' \
	>"$tree/common/tests/settings/tests"
said=$(cd "$tree" && LIST=1 common/check debug 2>&1)
has "$said" '^kasan-seeds .*The bugs are found$' "LIST=1 with debug: the list, and no kernel is made for it"
mkdir -p "$tree/common/lab/kernels"
program common/lab/kernels/build <<-'END'
	echo "kernel $1" >>.build/kernels
END
is "$(printf '%s\n' "$said" | grep -c both)" 0 "and only debug kernels"
check dbg-seeds kasan-seeds
is "$status $last" "0 2 passed, 0 failed" "tests on debug kernels"
has "$said" '^ok 1 - dbg-seeds with dbg kernel, no processors, no guests$' "each has its kernel and its name"
has "$said" '^ok 1 - kasan-seeds with kasan kernel' "and its own"
is "$(paste -sd ' ' "$tree/.build/kernels")" "kernel dbg kernel kasan" "the kernels are made first"
check both-seeds
has "$said" '^ok 1 - both-seeds with no kernel, 2 processors, pvh guests$' "settings of two words"
for name in listed busy; do
	a_test $name <<-'END'
		touch .build/at-work.$$
		sleep 0.5
		echo "ok 1 - ${LAB_CPUS-one} of $(ls .build/at-work.* | wc -l)"
		sleep 0.5
		rm .build/at-work.$$
		echo 1..1
	END
done
jobs=3 check listed both-listed busy
has "$said" '^ok 1 - 2 of 1$' "a test whose lab has two processors runs alone"
check seeds dbg-nonesuch
rm "$tree/.build/labs"
is "$status" 64 "one that the table has not is refused"
for name in a b c d; do
	a_test "$name" <<-'END'
		for n in 1 2 3; do
			echo "ok $n - $0 in $LAB_NAME"
			echo "$0 says something" >&2
			sleep 0.2
		done
		echo 1..3
	END
done
a_test fails <<-'END'
	echo ok 1
	echo not ok 2
	echo 1..2
	exit 1
END
a_test dies <<-'END'
	echo ok 1
	kill -KILL $$
END
a_test forgets <<-'END'
	echo ok 1
END
a_test nothing <<-'END'
END
a_test hangs <<-'END'
	echo ok 1
	sleep 981
END
a_test resists <<-'END'
	echo ok 1
	trap '' TERM
	sleep 982
END
a_test leaves <<-'END'
	sleep 983 >/dev/null 2>&1 &
	echo ok 1
	echo 1..1
END

check a b c d
is "$status $last" "0 12 passed, 0 failed" "four tests in two lanes"
is "$(printf '%s\n' "$said" | sed -n 's,.*\(common/tests/kind/.\.t\) \(in\|says\).*,\1,p' | uniq | wc -l)" 4 "each test's output is in one piece"
is "$(printf '%s\n' "$said" | sed -n 's/.* in \(check2*\)$/\1/p' | sort -u | paste -sd ' ')" "check check2" "each lane has its lab"
is "$(tail -n 2 "$tree/.build/labs" | paste -sd ,)" "check stop,check2 stop" "which are stopped at the end"
is "$(wc -l <"$tree/.build/labs")" 6 "and before each test"
said=$(cd "$tree" && GIT_CEILING_DIRECTORIES=$work RESUME=1 common/check a b 2>&1)
is "$? $said" "1 check: this is not a git clone, so RESUME=1 cannot know what has passed on this tree" "RESUME=1 without a clone"
mv "$tree/.build/tests" "$work/kept" && touch "$tree/.build/tests"
check a
rm "$tree/.build/tests" && mv "$work/kept" "$tree/.build/tests"
has "$status $said" '^1 check: .build/tests cannot be written, because .* in a clone of your own$' "where nothing can be written"
(cd "$tree" && git init -q && git add common && git -c user.name=x -c user.email=x@example.org commit -q -m x)
said=$(cd "$tree" && GIT_TEST_ASSUME_DIFFERENT_OWNER=1 RESUME=1 common/check a b 2>&1)
has "$? $said" '^1 check: fatal: detected dubious ownership' "RESUME=1 in a clone that git refuses: git's own words"
check a fails
said=$(cd "$tree" && CHECK_JOBS=2 RESUME=1 common/check a fails b 2>&1)
has "$said" '^check: 1 of 3 tests have passed on this tree; to go on with: fails b$' "RESUME=1: what has passed is left out"
has "$said" '^4 passed, 1 failed$' "and the rest is run"
said=$(cd "$tree" && RESUME=1 common/check a b 2>&1)
is "$? $said" "0 check: 2 of 2 tests have passed on this tree; to go on with: none" "nothing is left to do"
said=$(cd "$tree" && CHECK_JOBS=2 CHECK=long RESUME=1 common/check a b 2>&1)
has "$said" '0 of 2 tests have passed' "CHECK=long is another run"
echo '# changed' >>"$tree/common/tests/lane"
said=$(cd "$tree" && CHECK_JOBS=2 RESUME=1 common/check a b 2>&1)
has "$said" '0 of 2 tests have passed' "and so is one on another tree"

# -- the table of the long runs --------------------------------------------------

mkdir "$tree/docs"
cp "$top/common/tests/long-run" "$tree/common/tests"
sed '/^| 20/d' "$top/docs/long-runs.md" >"$tree/docs/long-runs.md"
before=$(wc -l <"$tree/docs/long-runs.md")
rows() { grep '^| 20' "$tree/docs/long-runs.md" | sed 's/^| [0-9-]* | `[0-9a-f]*\(+*\)` |/\1/; s/ [0-9]* processors/ N/'; }
is "$("$tree/common/tests/long-run" soak lab 1799 much nothing 2>&1; rows)" "" "what takes less than half an hour is no long run"
"$tree/common/tests/long-run" soak 'a lab' 5400 'much' nothing
is "$(rows)" "+ soak | a lab | N | 1.5 | much | nothing |" "a row"
(cd "$tree" && git add common docs && git -c user.name=x -c user.email=x@example.org commit -q -m x)
"$tree/common/tests/long-run" soak lab 7200 more 'a fault'
"$tree/common/tests/long-run" soak lab 7200 more 'a fault'
is "$(rows | tail -n 2 | uniq)" " soak | lab | N | 2.0 | more | a fault |" "another after it; the table itself is no change"
is "$(($(wc -l <"$tree/docs/long-runs.md") - before))" 3 "and nothing else is written"
(cd "$tree" && common/check debug >/dev/null 2>&1)
is "$(rows | wc -l)" 3 "a short run of all debug tests: no row"
sed -i 's/^\([^ ]* check-debug\) [0-9]* 2$/\1 3600 2/' "$tree/.build/tests/spent"
sed -i /kasan/d "$tree/.build/tests/passed"
(cd "$tree" && RESUME=1 common/check debug >/dev/null 2>&1)
is "$(rows | tail -n 1)" " check-debug | each test has its own | N | 1.0 | 3 tests passed, in 2 pieces | nothing |" \
	"a run that was cut off is one run"
sed -i 's/kasan\tLAB_KERNEL=kasan\tseeds/kasan\tLAB_KERNEL=kasan\tfails/' "$tree/common/tests/settings/tests"
(cd "$tree" && common/check debug >/dev/null 2>&1
	sed -i 's/check-debug [0-9]*/check-debug 3600/' .build/tests/spent
	RESUME=1 common/check debug >/dev/null 2>&1)
has "$(rows | tail -n 1)" 'failed: kasan-fails [|]$' "what failed is in it"
a_test once <<-'END'
	[ -e .build/once ] || not=not
	touch .build/once
	echo "${not-} ok 1" | sed 's/^ //'
	echo 1..1
	[ -z "${not-}" ]
END
sed -i 's/kasan\tLAB_KERNEL=kasan\tfails/kasan\tLAB_KERNEL=kasan\tonce/' "$tree/common/tests/settings/tests"
(cd "$tree" && common/check debug >/dev/null 2>&1
	sed -i 's/check-debug [0-9]*/check-debug 3600/' .build/tests/spent
	RESUME=1 common/check debug >/dev/null 2>&1)
has "$(rows | tail -n 1)" 'in 2 pieces [|] failed: kasan-once [|]$' "also what failed in one piece and passed in the next"
rm "$tree/.build/once"
a_test late <<-'END'
	[ -e .build/late ] || { touch .build/late; sleep 985; }
	echo ok 1
	echo 1..1
END
sed -i 's/LAB_KERNEL=kasan\tonce/LAB_KERNEL=kasan\tonce late/' "$tree/common/tests/settings/tests"
(cd "$tree" && CHECK_JOBS=1 exec common/check debug >/dev/null 2>&1) &
until [ "$(left 5)" -gt 0 ]; do sleep 0.1; done
kill $!
wait
(cd "$tree" && sed -i 's/check-debug [0-9]*/check-debug 3600/' .build/tests/spent
	RESUME=1 common/check debug >/dev/null 2>&1)
has "$(rows | tail -n 1)" 'in 2 pieces [|] failed: kasan-once [|]$' "or failed before the piece was cut off"
is "$("$tree/common/tests/long-run" soak lab 2>&1; echo $?)" "usage: long-run RUN LAB SECONDS DONE FOUND
64" "too few words"
sed -i '/end of the table/d' "$tree/docs/long-runs.md"
is "$("$tree/common/tests/long-run" soak lab 7200 much nothing 2>&1 | sed 's/be:.*/be/'; echo $?)" \
	"long-run: docs/long-runs.md has no table; the row would be
0" "a page without the table"
jobs=1 check a b
is "$last $(printf '%s\n' "$said" | grep -c 'in check$')" "6 passed, 0 failed 6" "CHECK_JOBS=1: one lane, one lab"
check a fails
is "$status $last" "1 4 passed, 1 failed" "a test that fails"
for name in dies forgets nothing; do
	check "$name" a
	has "$status $last" '^1 [34] passed, 1 failed$' "a test that $name: it has failed"
done
check dies fails forgets nothing
is "$status $last" "1 3 passed, 4 failed" "all of them"
jobs=1 check leaves a
is "$last" "4 passed, 0 failed" "what a test leaves running does not keep its lane"
is "$(left 3)" 0 "and is ended"

for name in nonesuch '[' '?' '../kind/a'; do
	for switch in '' LIST RESUME; do
		said=$(cd "$tree" && env ${switch:+"$switch=1"} common/check a "$name" 2>&1)
		is "$? $(printf '%s\n' "$said" | cut -d : -f 1-2)" "64 check: unknown test '$name'" "TESTS='a $name'${switch:+, $switch=1}: that, and nothing else"
	done
done
for switch in LIST RESUME; do
	ok "$switch=0 is no switch" says 64 "$switch is 1, or not set: not '0'" env -C "$tree" "$switch=0" common/check a
done
check nonesuch
has "$status $said" "^64 check: unknown test 'nonesuch'" "a wrong name"
# refused FILE VARIABLE: by a test that runs a part of itself, before it has a lab.
refused() {
	ok "$2 has a name that $1 does not know" says 1 "$2 has.* words from: .*; not 'nonesuch'" \
		env CHECK= LAB_NAME=none TEST_NAME=check.t "$2=nonesuch" "$top/common/tests/$1"
}
for words in driver/driver.t:DRIVER_PARTS stages/peer.t:PEER_PARTS stages/races.t:RACES stages/faults.t:stages debug/failing.t:paths \
	hostile/hostile-front.t:HOSTILE_CASES hostile/hostile-weak.t:WEAK commands/grade.t:EXERCISES; do
	DRIVER_DIR=$top/common/tests/driver/vbd refused "${words%:*}" "${words#*:}"
done
ok "hostile cases, but none of this side" says 1 'no case of a hostile backend' \
	env LAB_NAME=none TEST_NAME=check.t HOSTILE_CASES=10-front-removes "$top/common/tests/hostile/hostile-back.t"
ok "a part of targets.t that it does not know" says 1 "targets.t has words from: .*not 'nonesuch'" "$top/common/tests/commands/targets.t" nonesuch
jobs=0 check a
has "$status $said" '^64 check: CHECK_JOBS is' "a wrong number of lanes"

said=$(signalled INT - common/check hangs a hangs b)
has "$said" '^status 130' "^C: the exit status"
is "$(left 1) $(left 2)" "0 0" "^C: no test is left"
: >"$tree/.build/labs"
said=$(signalled TERM '' common/check hangs resists)
has "$said" '^status 143' "SIGTERM: the exit status"
is "$(left 1) $(left 2) $(tail -n 2 "$tree/.build/labs" | paste -sd ,)" "0 0 check stop,check2 stop" "SIGTERM: no test and no lab is left"

(cd "$tree" && exec env CHECK_JOBS=1 common/check hangs >/dev/null 2>&1) &
until grep -qs 'hangs.t begins' "$tree/.build/tests/log" && [ "$(left 1)" -gt 0 ]; do sleep 0.1; done
check b
kill $!
has "$status $said" '^1 check: the tests are already running' "two at once in one checkout"
wait

# -- make check-matrix -------------------------------------------------------------

# In the tree, whose clone it runs the tests in, without a root: there is no chroot, and who runs it is root.
make_matrix() {
	mkdir -p "$work/bin" "$tree/.build/roots/bookworm/etc"
	touch "$tree/.build/roots/bookworm/complete"
	echo 'VERSION_ID="12"' >"$tree/.build/roots/bookworm/etc/os-release"
	cp "$top/common/tests/matrix" "$tree/common/tests"
	cp "$top/docs/platforms.md" "$tree/docs"
	echo /.build >"$tree/.gitignore"
	printf '#!/bin/sh\ncd "$6/root/clone" && LAB_NAME=matrix exec sh -c "$7"\n' >"$work/bin/unshare"
	printf '#!/bin/sh\necho 0\n' >"$work/bin/id"
	chmod +x "$work/bin/unshare" "$work/bin/id"
	program common/lab/lab <<-'END'
		mkdir -p .build
		echo "$LAB_NAME $*" >>.build/labs
		[ "$1" != start ] || [ ! -e no-lab ] || exit 1
		[ "$1" != status ] || echo "     PV guests; Xen 4.17"
	END
	a_test 01-hello-probe <<-'END'
		echo ok 1
		[ ! -e tests-hang ] || sleep 984
	END
}

matrix() { env -C "$tree" PATH="$work/bin:$PATH" common/tests/matrix "$@"; }
row_of_cell() { grep "^| $1 " "$tree/docs/platforms.md"; }

stopped_matrix() {
	touch "$tree/tests-hang"
	env -C "$tree" --default-signal=INT PATH="$work/bin:$PATH" common/tests/matrix 12-pv &
	for try in $(seq 100); do [ "$(left 4)" -eq 0 ] || break; sleep 0.2; done
	kill -s INT $!
	wait $!
}

make_matrix
row_before=$(row_of_cell 12-pv)
mkdir -p "$tree/.build/tests/matrix"
touch "$tree/.build/tests/matrix/earlier.log" "$tree/no-lab"
ok "matrix: a cell that there is not, after one that there is" says 64 "no cell '13-vp'; there is: 12-pv" matrix 12-pv 13-vp
ok "and nothing was begun" test -e "$tree/.build/tests/matrix/earlier.log"
ok "matrix: a tree without git" says 1 '^matrix: this is not a git clone' env GIT_DIR=/nonexistent PATH="$work/bin:$PATH" "$tree/common/tests/matrix"
ok "matrix: the lab does not start" says 1 '^12-pv: the lab did not start, see .build/tests/matrix/12-pv.log$' matrix 12-pv
is "$(row_of_cell 12-pv)" "$row_before" "and its row stays as it is"
rm "$tree/no-lab"
ok "matrix: the lab starts, as a file that is gone is gone there, too" says 1 'PV guests; Xen 4.17$' matrix 12-pv
has "$(row_of_cell 12-pv)" '^[|] 12-pv [|] 12 [|] PV guests; Xen 4.17 [|] 1 [|] [1-9]' "and its row is written"
ok "matrix: ^C" says 130 'no lab is left running' stopped_matrix
is "$(left 4) $(tail -n 1 "$tree/.build/roots/bookworm/root/clone/.build/labs")" "0 matrix stop" "no test and no lab is left"

done_testing

#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The modules of make coverage count what is executed, and the report finds what is not. They are
# built from the unchanged sources. This test needs no lab.

top=$(cd "$(dirname "$0")/../../.." && pwd -P)
. "$top/common/tests/lib/tap.sh"
work=$top/.build/tests/coverage.t
coverage=$top/common/tests/coverage

# -- the modules ---------------------------------------------------------------

counts_all() {
	cd "$work/tree/$1/counting" || return
	for module in mydevicefront mydeviceback; do
		nm ../$module.ko | grep -q ' counted_init$' || { echo "$module.ko's own init is not counted"; return 1; }
		gcov -n $module.gcno 2>&1 | grep -A 1 "/$1/$module.c'" | grep -E 'of [1-9][0-9]{2,}$' ||
			{ echo "$module has no 100 lines that are counted"; return 1; }
	done
}

same_but_kbuild() {
	cd "$top" && git ls-files "$1" | grep -v /Kbuild | while read -r file; do
		cmp "$file" "$work/tree/$file" || exit
	done
}

# Most jumps are lines of their own; the macros that make functions have some, too.
jumps_are_counted() {
	cd "$work/tree/03-shared-memory/counting" && gcov mydevicefront.gcno >/dev/null 2>&1 || return
	! grep -E '^ *-: *[0-9]+:.*(return|goto|break|continue)' mydevicefront.c.gcov mydevicestream.c.gcov |
		grep -v '\\$\|\*'
}

# -- the report ----------------------------------------------------------------

a_list() { cat >"$work/not-covered"; }

# Sets said.
report() {
	said=$(awk -f "$coverage/report.awk" "$work/not-covered" "$work/01-test/test.c.gcov" 2>&1)
}

complains() {
	if report; then fail "$2" "$said"; else has "$said" "$1" "$2"; fi
}

rm -rf "$work"
mkdir -p "$work/01-test"
ok "the tutorial is copied, and its modules count" "$coverage/tree" "$work/tree"
for stage in "$top"/0*-*; do
	stage=${stage##*/}
	ok "$stage: both modules count their lines" counts_all "$stage"
	ok "$stage: nothing but its Kbuild differs" same_but_kbuild "$stage"
done
ok "jumps are counted" jumps_are_counted

# A test that there is not costs no counts, and a directory of something else is no copy.
ok "a wrong name" says 64 "unknown test 'nosuch'" "$coverage/coverage" ring nosuch
mkdir "$work/mine"
touch "$work/mine/file"
ok "a directory that is in use" says 64 'new, empty, or an earlier copy: not' "$coverage/tree" "$work/mine"
ok "is left alone" test -e "$work/mine/file"

cat >"$work/01-test/test.c.gcov" <<'END'
        -:    0:Source:test.c
        5:   10:static int good(void)
        -:   11:{
    #####:   12:	return -EIO;
branch  0 never executed
    #####:   13:	return -ENODEV;
        -:   14:}
        2:   20:static int other(struct x *x,
        -:   21:		 int y)
    #####:   22:	return -EIO;
END
a_list <<'END'
# A comment.

01,02 good
	return -EIO;
	return -ENODEV;
	: Because.
	: Really.

01 other
	return -EIO;
	: Why not.
END
complains '02 good: return -EIO' "an entry for a stage in which there is no such line is wrong"
sed -i 's/^01,02/01/' "$work/not-covered"
ok "all that is not executed has a reason" report
has "$said" '^	Because\. Really\.$' "which is said"
sed -i '/Why not/d' "$work/not-covered"
complains 'no reason: 01 other: return -EIO' "an entry without a reason is wrong"
sed -i '/^01 other/,$d' "$work/not-covered"
complains '^01-test/test.c:22: other: return -EIO' "a line that has none is named"
cat >>"$work/01-test/test.c.gcov" <<'END'
        3:   30:static int both(void)
        -:   31:{
        3:   32:	once();
        -:   33:}
------------------
both:
function both called 0 returned 0% blocks executed 0%
    #####:   30:static int both(void)
        -:   31:{
    #####:   32:	once();
        -:   33:}
------------------
both:
        3:   30:static int both(void)
        -:   31:{
        3:   32:	once();
        -:   33:}
------------------
    #####:   40:static int last(void)
END
report
has "$said" '^01-test/test.c:40: last' "a line after a function that is in both modules is named"
is "$(echo "$said" | grep both)" "" "a line that one of them executes is executed"
sed -i '/^        3:   30/,$d' "$work/01-test/test.c.gcov"
printf '01 other sometimes\n\treturn -EIO;\n\t: Luck.\n\n01 good\n\tfive();\n\t: Gone.\n' >>"$work/not-covered"
complains 'in the list, but executed, or not there: 01 good: five' "a line in the list that is not there is wrong"
sed -i '/^01 good/,/^$/{/five/,$d}; s/#####:   22/    7:   22/' "$work/not-covered" "$work/01-test/test.c.gcov"
ok "what is executed sometimes may be executed" report

done_testing

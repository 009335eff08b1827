#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Each check of make check-quick finds a fault that is planted for it, and looks only at what
# differs. Where there is no fault, it finds none. The test runs in a copy of the tree.

top=$(cd "$(dirname "$0")/../../.." && pwd -P)
lab=$top/common/lab/lab
work=$top/.build/tests/quick.t
copy=$work/tree
stage=03-shared-memory
export LAB_BUILD="${LAB_BUILD:-$top/.build/lab}"
. "$top/common/tests/lib/tap.sh"
. "$top/common/tests/lib/source.sh"
unset ALL

# Unpacking the kernel's scripts and making the lab takes longer than all the rest.
make_copy() {
	rm -rf "$work" && mkdir -p "$copy/.build/tests" || return
	(cd "$top" && git ls-files --cached --others --exclude-standard | tar -c -T - -f -) | tar -C "$copy" -xf - &&
		ln -s "$scripts" "$copy/.build/tests/" || return
	cd "$copy" && git init -q . && git config user.name Test && git config user.email test@example.org &&
		git add -A && git commit -q -m 'All of it'
}

# Sets said and status.
quick() {
	said=$(common/quick 2>&1 </dev/null)
	status=$?
}

# as_it_was: nothing differs.
as_it_was() { git reset -q --hard && git clean -fdq; }

# A change that is none, for each of the checks.
change_all() {
	printf '\n/* A comment. */\n' >>"$stage/mydevice.h"
	printf '#!/bin/sh\n# SPDX-License-Identifier: GPL-2.0\necho "$1"\n' >common/planted
	mkdir -p .github && printf 'on: push\n' >.github/planted.yml
	printf '\nThis is shown beside [grants](grants.md) by `make docs`.\n' | tee -a docs/states.md >>docs/troubleshooting.md
}

# A fault for each. (What codespell finds is spelled in two parts here.)
break_all() {
	sed -i 's/^static int __init mydevicefront_init(void)/static int planted; \n&/; s/^\terr = mydevice_nodes_register();/\treturn -ENODEV;\n&/' \
		"$stage/mydevicefront.c"
	sed -i 's/ > mydevice_free(ring))/ > mydevice_size(ring))/' "$stage/mydevice.h"
	printf '#!/bin/sh\n# SPDX-License-Identifier: GPL-2.0\n# recie%s\necho $1\n' ve >common/planted
	mkdir -p .github && printf 'on: push\non: [\n' >.github/planted.yml
	printf '\n#### Four below one\n\nA kmallok, [a link](gone.md), `make wach`, anew.\n' >>docs/states.md
	sed -i 's/^<a id="hotplug">/<a id="hotplugs">/' docs/troubleshooting.md
}

# checks RESULT: those that had it, without how much there was to check.
checks() { printf '%s\n' "$said" | sed -n "s/^$1 *//p" | sed 's/, [0-9].*//' | sort; }

interrupted_leaves_nothing() {
	rm -f .build/tests/quick/plan
	setsid common/quick >"$work/interrupted" 2>&1 &
	pid=$!
	for try in $(seq 100); do [ ! -s .build/tests/quick/plan ] || break; sleep 0.1; done
	sleep 1
	kill "$pid" && wait "$pid"
	[ $? -eq 143 ] && grep 'no lab is left running' "$work/interrupted" && ! pgrep -af "$copy/common"
}

ok "the kernel's scripts can be unpacked" unpack_scripts
"$lab" images >/dev/null || bail_out "the lab cannot be made"
make_copy || bail_out "the tree cannot be copied"

quick
is "$status $said" "0 quick: nothing differs from the last commit; ALL=1 checks everything" "nothing differs"
ok "ALL=0 is no switch" says 64 "ALL is 1, or not set: not '0'" env ALL=0 common/quick
ok "a word too many" says 64 'usage: quick' common/quick all
ok "no clone" says 1 'this is not a git clone' env GIT_DIR=/nonexistent common/quick

printf '\nA page.\n' >>docs/states.md
git rm -q docs/glossary.md
quick
has "$said" '^ok +the spelling: hunspell, 1 page$' "a page differs, and one is gone: the spelling of the one"
has "$said" '^not ok +the links' "and the links to the other"
has "$said" '^5 passed, 1 failed, [0-9]+ s$' "and no driver, and no lab"

as_it_was
change_all
quick
is "$status $(checks 'not ok')" "0 " "nothing is wrong with a change of all sorts"
checks ok >"$work/checked"
is "$(wc -l <"$work/checked") $(printf '%s\n' "$said" | tail -n 1 | cut -d , -f 1)" "13 13 passed" "the checks are all there"

as_it_was
break_all
quick
is "$status" 1 "faults of all sorts: it fails"
is "$(checks 'not ok')" "$(cat "$work/checked")" "each of the checks finds its own"
for words in 'planted. defined but not used' 'trailing whitespace' 'SC2086' 'kmallok' 'gone.md leads nowhere' 'no target wach' 'MD001' 'write again' 'for HOTPLUG' \
	'recie''ve ==>' 'planted.yml' 'mydevice_accept_prod.* == truth' 'insmod|ENODEV|No such device'; do
	has "$said" "$words" "it says what is wrong: $words"
done

ok "a signal: no process and no lab is left" interrupted_leaves_nothing
ok "and the next run can begin" says 0 'nothing differs' sh -c 'git reset -q --hard; git clean -fdq; common/quick'

done_testing

#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The sources build without a warning and in the kernel's style, and the stages grow by addition.

top=$(cd "$(dirname "$0")/../../.." && pwd -P)
work=$top/.build/tests/source.t
. "$top/common/tests/lib/tap.sh"
. "$top/common/tests/lib/source.sh"
mkdir -p "$work" && cd "$top" || exit
stages=$(echo 0*-*)

# What a stage's modules are made of.
module_sources() { git ls-files "$1/mydevice.h" "$1/mydevicefront.c" "$1/mydeviceback.c" "$1/mydevicestream.c"; }

# semantic_patches DIRECTORY FILE...: what they find, with the options that each of
# them names. The two that are written in OCaml would need a compiler for it.
semantic_patches() {
	patches=$scripts/coccinelle/$1
	shift
	find "$patches" -name '*.cocci' ! -exec grep -q script:ocaml {} \; -print0 |
		xargs -0 -P "$(nproc)" -I '{}' sh -c '
			options=$(sed -n "s/.*Options://p" "$1")
			spatch -D report --very-quiet --no-show-diff $options --cocci-file "$@" 2>"$1.log" ||
				{ cat "$1.log"; exit 1; }' sh '{}' "$@"
}

finds_planted_bug() {
	printf 'void planted(struct s *s)\n{\n\tkfree(s);\n\ts->n = 1;\n}\n' >"$work/planted.c"
	semantic_patches free "$work/planted.c" | grep 'reference preceded by free'
}

# XenBus calls these in the thread that a disk may need to answer; and a worker may
# hold a lock that this thread waits for. They allocate memory without I/O.
allocates_without_io() {
	for file in "$1"/mydevicefront.c "$1"/mydeviceback.c; do
		for name in probe remove resume otherend_changed peer_died; do
			awk -v name="_$name(" -v file="$file" '
				index($0, name) && !/;$/ { on = 1; there = 1 }
				on && /memalloc_noio_save\(\)/ { saved = 1 }
				on && /memalloc_noio_restore\(/ { restored = 1 }
				/^}/ { on = 0 }
				END { if (there && !(saved && restored)) { print file ": " name " lets reclaim do I/O"; exit 1 } }' "$file" || return
		done
	done
}

# A kernel whose pages are not those of the protocol is refused in words.
refuses_other_pages() {
	sed -n '/^#if PAGE_SHIFT/,/^#endif/p' 03-shared-memory/mydevicestream.c >"$work/pages.c"
	gcc -E -DPAGE_SHIFT=12 "$work/pages.c" >/dev/null || return
	! said=$(gcc -E -DPAGE_SHIFT=14 "$work/pages.c" 2>&1) || { echo "pages of 16 KiB are taken"; return 1; }
	echo "$said" | grep 'use a kernel with such pages'
}

# The lines that each file of the last stage may have. A change that needs more says why.
sizes() {
	cat <<-'SIZES'
		Kbuild            10
		Makefile          50
		activate.sh      100
		deactivate.sh    110
		mydevice.h       575
		mydeviceback.c   840
		mydevicefront.c  785
		mydevicebus.c    950
		mydevicebus.h    385
		mydevicepeer.c   900
		mydevicepeerstream.c 340
		mydevicestream.c 975
	SIZES
}

no_longer() { [ "$(wc -l <"$1")" -le "$2" ] || { echo "$1 has $(wc -l <"$1") lines"; return 1; }; }

# Functions of more than 50 lines. A function that lists every state may have 60.
long_functions() {
	awk '
		FNR == 1 { name = "" }
		/^[a-z].*\(/ && name == "" { name = $0; first = FNR; body = 0
			sub(/\(.*/, "", name); sub(/.*[ *]/, "", name) }
		/^{/ { body = 1 }
		/;$/ && !body { name = "" }
		/^}/ && name != "" {
			lines = FNR - first + 1
			if (lines > (name ~ /_otherend_changed$/ ? 60 : 50))
				print FILENAME ": " name " has " lines " lines"
			name = "" }' "$@"
}

finds_a_long_function() {
	{ echo 'static int planted(void)'; echo '{'; seq -f '	f(%g);' 48; echo '}'; } >"$work/planted.c"
	[ "$(long_functions "$work/planted.c")" = "$work/planted.c: planted has 51 lines" ]
}

# In both modules by intent: attributes of the device on the XenBus, which has no type
# but its end's; what an end registers, and does for the stream; and the first steps of
# both ends, which a reader compares. (Of peer_died it is the last lines, before a comment
# that both have.) The two scripts are each complete, to be copied to a domain alone.
twice="notify_store events_sent_show events_received_show stream_ops init exit ids driver probe connect peer_died"
duplicates() { awk -v MOST=10 -v ALLOWED="$twice" -f common/tests/sources/duplicates.awk "$@"; }

finds_a_duplicate() {
	seq -f '	front(mydevicefront_%g);' 11 >"$work/planted.c"
	sed 's/mydevicefront/mydeviceback/' "$work/planted.c" >"$work/planted-too.c"
	duplicates "$work/planted.c" "$work/planted-too.c" | grep -F 'planted.c:1 and '
}

# sourced FILE: the files of common/tests that this one is made of, beside itself.
sourced() {
	sed -n -E 's,^\. .*(tests|\.\.)/([-a-z0-9]+/[-a-z0-9.]+)"?$,\2,p' "$1" | while read -r part; do
		part=$(dirname "$(dirname "$1")")/$part
		echo "$part"
		sourced "$part"
	done
}

# A function of a test that has the name of one in a file that the test is made of: a caller
# of the one gets the other. Some do so by intent, and say it in the line above. One of a
# special builtin of the shell is no function at all for some shells.
hidden_functions() {
	for file; do
		# shellcheck disable=SC2046 # one word a file
		set -- $(sourced "$file" | sort -u)
		[ $# -eq 0 ] || awk '
			BEGIN {
				split("break continue eval exec exit export readonly return set shift times trap unset", names, " ")
				for (i in names) at[names[i]] = "the shell"
			}
			{ said = before ~ /^# Instead of /; before = $0 }
			!/^[a-z_0-9]+\(\)/ { next }
			{ sub(/\(.*/, "") }
			FILENAME == ARGV[ARGC - 1] && $0 in at && !said { print FILENAME ": " $0 " hides that of " at[$0] }
			{ at[$0] = FILENAME }' "$@" "$file"
	done
}

finds_a_hidden_function() {
	mkdir -p "$work/lib" "$work/kind"
	printf 'flows() { :; }\n' >"$work/lib/one.sh"
	printf '. "$top/common/tests/lib/one.sh"\nokay() { :; }\n' >"$work/lib/two.sh"
	printf '. "$(dirname "$0")/../lib/two.sh"\nflows() { :; }\n# Instead of two.sh'"'"'s.\nokay() { :; }\ntimes() { :; }\n' >"$work/kind/three.t"
	[ "$(hidden_functions "$work/kind/three.t" | paste -sd ';')" = \
		"$work/kind/three.t: flows hides that of $work/lib/one.sh;$work/kind/three.t: times hides that of the shell" ]
}

ok "the kernel's scripts can be unpacked" unpack_scripts
ok "coccinelle finds a planted use after free" finds_planted_bug
ok "a function of 51 lines is found" finds_a_long_function
ok "eleven lines that stand in both modules are found" finds_a_duplicate
# The last stage has what the others have; of all of them it takes a minute more.
case ${CHECK-} in long) looked_at='0*' ;; *) looked_at=03-shared-memory ;; esac
# shellcheck disable=SC2046 # one word a file
ok "coccinelle finds nothing in the modules, with the kernel's semantic patches" \
	says_nothing semantic_patches . $(module_sources "$looked_at")
previous=
for stage in $stages; do
	ok "$stage: builds alone, copied out of the tutorial" builds_alone "$stage"
	ok "$stage: W=1 and sparse were silent" is_silent "$work/$stage.log"
	ok "$stage: checkpatch --strict has nothing to say" in_kernel_style "$top/$stage"
	ok "$stage: kernel-doc has nothing to say" documented "$top/$stage"
	ok "$stage: what XenBus calls allocates without I/O" allocates_without_io "$stage"
	case $stage in 03-*) more=' mydevicepeerstream.c mydevicestream.c' ;; *) more= ;; esac
	is "$(cd "$stage" && git ls-files . | sort | paste -sd ' ')" \
		"Kbuild Makefile activate.sh deactivate.sh mydevice.h mydeviceback.c mydevicebus.c mydevicebus.h mydevicefront.c mydevicepeer.c$more" \
		"$stage: the files that every stage has${more:+, and}$more"
	# shellcheck disable=SC2046 # one word a file
	ok "$stage: no function is longer than 50 lines" says_nothing long_functions $(git ls-files "$stage/mydevice*.c")
	# shellcheck disable=SC2046 # one word a file
	ok "$stage: nothing is written twice" says_nothing duplicates $(git ls-files "$stage/mydevice*.[ch]")
	for file in $(cd "$stage" && git ls-files .); do
		[ -n "$previous" ] || continue
		n=$(removed "$previous/$file" "$stage/$file")
		ok "$stage/$file takes at most 5 lines away (it takes $n)" test "$n" -le 5
	done
	for file in mydevicebus.c mydevicebus.h; do
		ok "$stage/$file is the first stage's, to the letter" cmp "01-hello-probe/$file" "$stage/$file"
	done
	ok "$stage: no message names the stage" sh -c "! grep -n -i -E 'stage|$stage' $stage/*.[ch] | grep -v mod.c"
	previous=$stage
done

while read -r file most; do
	ok "03-shared-memory/$file has at most $most lines" no_longer "03-shared-memory/$file" "$most" </dev/null
done <<END
$(sizes)
END
is "$(sizes | awk '{ print $1 }' | sort)" "$(cd 03-shared-memory && git ls-files . | sort)" "that is all of its files"
ok "a kernel with pages of 16 KiB is refused, with the reason" refuses_other_pages
ok "a function that hides another is found" finds_a_hidden_function
ok "no function of a test hides one that the test is made of" says_nothing hidden_functions common/tests/*/*.t common/tests/lib/*.sh
# shellcheck disable=SC2046 # one word a file
ok "shellcheck has nothing to say" shellcheck -x $(git ls-files | scripts_among)
# unnamed DIRECTORY: entries of it that its README does not name.
unnamed() {
	git ls-files "$1" | sed "s,^$1/,,; s,/.*,/," | sort -u | while read -r entry; do
		[ "$entry" = README.md ] || grep -qF "\`${entry}\`" "$1/README.md" || echo "$1/$entry"
	done
}

is "$(unnamed common)" "" "common/README.md names everything there"
is "$(git ls-files common/parts | sed 's,common/,,' | while read -r part; do grep -qF "\`$part\`" common/README.md || echo "$part"; done)" "" \
	"and every library"
for folder in common/tests $(git ls-files ':(glob)common/tests/*/README.md' | xargs -n 1 dirname); do
	is "$(unnamed "$folder")" "" "$folder/README.md names everything there"
done
is "$({ LIST=1 CHECK=long common/check; LIST=1 CHECK='' common/check debug; echo driver; } | awk '{ print $1 }' | sort)" \
	"$({ git ls-files 'common/tests/*.t' | sed 's,.*/,,; s/\.t$//' | grep -vxE 'failing|seeds'; common/tests/settings/run all; } | sort)" "common/check has every test, but for that of a reader's driver"
# shellcheck disable=SC2046 # one word a file
ok "the forges' files are YAML" yamllint -s -d "$yaml_rules" $(git ls-files '*.yml')
printf 'on: push\non: [\n' >"$work/planted.yml"
ok "which a bad one is not" says 1 'duplication of key' yamllint -s -d "$yaml_rules" "$work/planted.yml"
# shellcheck disable=SC2046 # one word a file
ok "what they call is there" docs/tools/commands $(git ls-files '*.yml')
# helps FILE: with --help it prints what it is for, or refuses the word, and does nothing.
helps() {
	said=$(timeout 30 "$1" --help 2>&1 </dev/null)
	case $? in 0 | 64) printf '%s\n' "$said" | grep -q '[a-z]' && ! printf '%s\n' "$said" | grep Traceback ;; *) echo "$said"; return 1 ;; esac
}

# Some are for the domains alone; common/lab has tests of its own.
for file in $(git ls-files -s | awk '$1 == 100755 { print $4 }' |
	grep -vE '\.t$|activate\.sh$|^common/(lab/|need$)|/coverage/lab$|/fail-each$|/judge$'); do
	ok "$file --help does nothing else" helps "$file"
done
for words in 'links nowhere' 'look nowhere' 'paper nowhere nowhere' 'style nowhere.md' 'commands nowhere.md' 'forge nowhere.md'; do
	# shellcheck disable=SC2086 # words
	ok "docs/tools/$words" says 64 "there is no (directory|file|page) '?nowhere" docs/tools/$words
done
for words in common/bench/report common/bench/host 'common/bench/host true' common/stage 'common/branches nosuch' common/tests/build; do
	# shellcheck disable=SC2086 # words
	ok "$words: it says how it is called" says 64 '^(usage: |report DIR)' $words
done
ok "common/version prints a version" says 0 '^[0-9]+(\.[0-9]+)+$' common/version
mkdir -p "$work/version/common" "$work/version/docs"
cp common/version "$work/version/common"
printf '# What is new\n\n## Soon\n\n## 1.0\n' >"$work/version/docs/changelog.md"
ok "and says so if the first heading has none" says 1 'does not begin with a version' "$work/version/common/version"
is "$(git ls-files | cut -d / -f 1 | sort -u | grep -vE '^(0[123]-.*|common|docs|Makefile|README\.md|\..*|LICENSE.*)$')" "" \
	"no other names at the top"
is "$(git ls-files '*.c' '*.h' '*.sh' '*.t' '*.yml' common .ci Makefile .editorconfig .clang-format | grep -vE '\.md$|/packages$|/programs$|/modules$|/inittab$' |
	xargs grep -L 'SPDX-License-Identifier: GPL-2.0')" "" "every source file names its licence"

done_testing

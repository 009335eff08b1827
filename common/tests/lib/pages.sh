# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0
#
# What a page is held against as it stands in its file, before a site is made of it: style
# and spelling. Its links and commands are for docs/tools/forge and docs/tools/commands.
# A test sets top, and is there.

words=$top/docs/tools/words
export LC_ALL=C.UTF-8

# pages: all of them, one a line. Man pages begin in a way of their own, and
# the table of what is covered is made.
pages() { git ls-files --cached --others --exclude-standard '*.md' | pages_among; }
pages_among() { grep '\.md$' | grep -v -e '\.1\.md$' -e '/coverage/table\.md$'; }

# Turns of phrase, and the length of sentences.
well_written() { docs/tools/style "$@"; }

well_styled() { mdl -s docs/tools/mdl.rb "$@"; }

# too_wide FILE...: lines of prose with more than 100 characters. What cannot be broken does not count:
# code, tables, headings, comments, pictures and their captions, a link alone.
too_wide() {
	perl -CSD -ne '
		$code = !$code if /^ *```/;
		print "$ARGV:$.\n" if !$code && length > 101 && !/^(?:\||    |#|<!--|!?\[.*\)$|\*.*\*$)/;
		$code = close ARGV && 0 if eof' "$@"
}

# What is often misspelled, in any file. Of a hunk in the series, git cuts off the line that
# it begins with.
well_spelled() { codespell -L sring,nin --ignore-regex '^@@ .*' "$@"; }

# The text without code, as words that no dictionary and not our list knows. The
# list has names and Xen's own terms.
misspelled() {
	for file; do
		sed '/^<!-- SPDX-License-Identifier: .*-->$/d' "$file"
		echo
	done | pandoc -f markdown-smart -t plain --wrap=none --lua-filter=docs/tools/prose.lua | hunspell -d en_GB,en_US -p "$words" -l | sort -u
}

# What the doctor finds: a name in the program and the anchor of its section, one a line.
findings() { sed -n 's/^\t\[\([A-Z_]*\)\] = "\([a-z-]*\)",$/\1 \2/p' common/tools/doctor/report.c; }

# unlike_findings PAGE: a finding without a section, or one that no check reports; a section
# without a finding. Anchors of the page are for findings alone.
unlike_findings() {
	findings | while read -r name anchor; do
		grep -qx "<a id=\"$anchor\"></a>" "$1" || echo "$1: no section <a id=\"$anchor\"></a> for $name"
		grep -hv '^[[:space:]].*\] = "[a-z-]*",$' common/tools/xbdoctor.c common/tools/doctor/*.c | grep -qw "$name" ||
			echo "common/tools/doctor: no check finds $name"
	done
	sed -n 's/^<a id="\([a-z-]*\)"><\/a>$/\1/p' "$1" | while read -r anchor; do
		findings | grep -q " $anchor\$" || echo "$1: $anchor is no finding of the doctor"
	done
}

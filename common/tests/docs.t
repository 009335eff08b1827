#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# make docs: is what comes out valid, linked and spelled right, and does the build
# notice when the text and the sources no longer fit?

top=$(cd "$(dirname "$0")/../.." && pwd -P)
. "$top/common/tests/tap.sh"
work=$top/.build/tests/docs
copy=$work/copy
words=$top/docs/build/words
export LC_ALL=C.UTF-8
cd "$top" || exit
rm -rf "$work"
mkdir -p "$work"

says_nothing() {
	said=$("$@" 2>&1) && [ -z "$said" ] || { echo "$said"; return 1; }
}

# -- what comes out ----------------------------------------------------------

valid_html() {
	find "$1" -name '*.html' -print0 |
		xargs -0 -n 1 sh -c 'said=$(tidy -qe -utf8 --drop-empty-elements no --warn-proprietary-attributes no "$0" 2>&1) ||
			{ echo "$0: $said"; exit 1; }'
}

# What a reader would find by typing a word into the search field.
found_by() {
	profile=$(mktemp -d)
	timeout 120 chromium --headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking \
		--disable-component-update --disable-sync --user-data-dir="$profile" --virtual-time-budget=5000 \
		--dump-dom "file://$work/site/index.html?q=$1" 2>/dev/null | grep -o '<ol id="found".*</ol>'
	rm -rf "$profile"
}

# -- spelling ----------------------------------------------------------------

# The text without code, as words that no dictionary and not our list knows. The
# list has names and Xen's own terms.
misspelled() {
	for file in docs/*.md docs/reasons/*.md README.md; do
		sed '/^<!-- SPDX-License-Identifier: .*-->$/d' "$file" |
			pandoc -f markdown-smart -t plain --wrap=none --lua-filter=docs/build/prose.lua
	done | hunspell -d en_GB,en_US -p "$words" -l | sort -u
}

# -- a copy in which something does not fit ---------------------------------

fresh_copy() {
	rm -rf "$copy"
	mkdir -p "$copy"
	git ls-files -z docs '0*' common README.md | tar -cf - --null -T - | tar -C "$copy" -xf -
}

builds() {
	(cd "$copy" && DOCS_ONLY=site docs/build/build 2>&1)
}

# fails_with TEXT: the build of the copy fails, says why, and leaves no site that
# looks finished.
fails_with() {
	said=$(builds) && { echo "the build did not fail"; return 1; }
	printf '%s\n' "$said" | grep -qF -- "$1" || { echo "it said: $said"; return 1; }
	[ ! -e "$copy/.build/docs/search-index.js" ] || { echo "it left a site"; return 1; }
}

# breaks DESCRIPTION TEXT FILE SED: with this change in one file the build fails.
breaks() {
	fresh_copy
	sed -i "$4" "$copy/$3"
	if cmp -s "$3" "$copy/$3"; then
		fail "$1" "the change changes nothing: $4 in $3"
	else
		ok "$1" fails_with "$2"
	fi
}

# -- the tests ---------------------------------------------------------------

ok "make docs" env DOCS_OUT="$work/site" docs/build/build
[ -e "$work/site/index.html" ] || { done_testing; exit 1; }
ok "again, elsewhere" env DOCS_OUT="$work/again" DOCS_ONLY=site docs/build/build
ok "the same sources give the same site" diff -r -x '*.pdf' -x '*.epub' "$work/site" "$work/again"
for page in docs/*.md docs/reasons/*.md; do
	name=$(basename "$page" .md)
	case $page in docs/reasons/*) name=$name-diff ;; esac
	ok "$page has its page, under its title" grep -qF \
		"<h1>$(sed -n '/^# /{s/^# //p;q}' "$page" | cut -c1-20)" "$work/site/$name.html"
done
ok "tidy has nothing to say about any page" says_nothing valid_html "$work/site"
ok "every link leads somewhere, and nothing is loaded from elsewhere" says_nothing docs/build/links "$work/site"
is "$(find "$work/site" -name '*.html' -exec grep -L 'CC-BY-4.0.*GPL-2.0' '{}' +)" "" "each page says its licence"
ok "and so does the PDF" sh -c "pdftotext -l 1 $work/site/xen-split-drivers.pdf - | grep 'CC-BY-4.0.*GPL-2.0'"
ok "and the EPUB" sh -c "python3 -m zipfile -e $work/site/xen-split-drivers.epub $work/epub &&
	grep '<dc:rights>.*CC-BY-4.0.*GPL-2.0' $work/epub/EPUB/content.opf && grep 'CC-BY-4.0.*GPL-2.0' $work/epub/EPUB/text/title_page.xhtml"
ok "epubcheck has nothing to say" java -jar /usr/bin/epubcheck -q "$work/site/xen-split-drivers.epub"
ok "the PDF has pages, and its own fonts" sh -c "
	pages=\$(pdfinfo $work/site/xen-split-drivers.pdf | awk '\$1 == \"Pages:\" { print \$2 }')
	[ \"\$pages\" -ge 20 ] && ! pdffonts $work/site/xen-split-drivers.pdf | awk 'NR > 2 && \$(NF - 4) == \"no\"' | grep ."
has "$(found_by xenstore-write)" 'href="01-hello-probe.html#' "the search finds a word without a server"
has "$(found_by qqqq)" 'Nothing has all of these words' "and says so if there is none"

printf '<a href="gone.html">x</a><a href="#gone">y</a><script src="https://example.org/x.js"></script>' >"$work/again/broken.html"
has "$(docs/build/links "$work/again")" 'gone.html leads nowhere' "a link that leads nowhere is found"
has "$(docs/build/links "$work/again")" '#gone: there is no such place' "and one to a place that is not there"
has "$(docs/build/links "$work/again")" 'loaded from elsewhere' "and what is loaded from elsewhere"

ok "mdl has nothing to say" mdl -s docs/build/mdl.rb docs README.md
# shellcheck disable=SC2046 # one word a file
ok "codespell has nothing to say" says_nothing codespell -L sring,nin $(git ls-files)
is "$(misspelled)" "" "hunspell knows every word, or docs/build/words does"
is "$(echo 'a wrond word' | hunspell -d en_GB,en_US -p "$words" -l)" wrond "and would not know a wrong one"

fresh_copy
ok "a copy of the tutorial builds" builds
ok "a change in a function is in the post" sh -c "
	sed -i 's/We are good to go/We are ready to go/' $copy/01-hello-probe/mydevicefront.c
	(cd $copy && DOCS_ONLY=site docs/build/build) && grep -q 'We are ready to go' $copy/.build/docs/01-hello-probe.html"
breaks "a function that is gone" "defines no 'mydevicefront_publish'" \
	01-hello-probe/mydevicefront.c 's/mydevicefront_publish/mydevicefront_announce/'
breaks "a function that only the prose names" "which no stage has" \
	docs/01-hello-probe.md 's/mydevicefront_pick_version/mydevicefront_choose_version/'
breaks "a marker that is gone" "no line has '# The directories first'" \
	01-hello-probe/activate.sh 's/^# The directories first/# First the directories/'
breaks "a marker that is there twice" "more than one line has" \
	01-hello-probe/activate.sh 's/^# The directories first.*/&\n&/'
breaks "a transcript that is not there" "there is no file docs/transcripts/gone.txt" \
	docs/01-hello-probe.md 's/name="01-keys"/name="gone"/'
breaks "a change without a reason" "and no reason is given" \
	docs/reasons/02-event-channels.md 's/, `mydevicefront_take_time`//'
breaks "a heading with nothing below it" "a heading, and no reason" \
	docs/reasons/02-event-channels.md '/^### `mydevicefront_probe`/,/^##/{/^###* /!d}'
breaks "a reason without a change" "and no change" \
	docs/reasons/02-event-channels.md 's/^### `mydevicefront_notify`.*/&, `mydevicefront_negotiate`/'
breaks "a change that nobody explained" "and no reason is given" \
	02-event-channels/mydevicefront.c 's/^\tmydevicefront_disconnect(info);$/&\n\tbarrier();/'
breaks "a picture that cannot be drawn" "dot cannot draw this" docs/states.md 's/^digraph.*/digraf {/'
breaks "a remark on what a trace does not have" "the backend did not write 'Closing'" \
	docs/01-hello-probe.md 's/^backend Connected: reads and checks/backend Closing: reads and checks/'
breaks "a trace in which nothing happened" "xbwatch saw nothing" \
	docs/transcripts/01-connect.txt '/^ *[1-9][0-9.]* .*end /d'
breaks "a link to a page that is not there" "no page is called 99-gone.md" \
	docs/00-the-ground.md 's/(01-hello-probe.md)/(99-gone.md)/'
breaks "a page without a title" "does not begin with a title" docs/protocol.md '1d'

done_testing

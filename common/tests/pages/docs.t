#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# make docs makes valid, linked, correctly spelled pages, and fails if text and sources do not
# agree.

top=$(cd "$(dirname "$0")/../../.." && pwd -P)
. "$top/common/tests/lib/tap.sh"
. "$top/common/tests/lib/pages.sh"
work=$top/.build/tests/docs
copy=$work/copy
bad=$work/bad
cd "$top" || exit
rm -rf "$work"
mkdir -p "$work"

# fails DESCRIPTION COMMAND...
fails() {
	description=$1
	shift
	if output=$("$@" 2>&1); then fail "$description" "it did not fail: $output"; else pass "$description"; fi
}

# -- what comes out ----------------------------------------------------------

valid_html() {
	find "$1" -name '*.html' -print0 |
		xargs -0 -n 1 sh -c 'said=$(tidy -qe -utf8 --drop-empty-elements no --warn-proprietary-attributes no "$0" 2>&1) ||
			{ echo "$0: $said"; exit 1; }'
}

# A Java that compiles less takes half of the time for the few seconds that this lasts.
valid_epub() {
	java -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -jar /usr/bin/epubcheck -q --failonwarnings "$1"
}

# What is included is not worth showing.
weak_lines_left_out() {
	sed 's/<[^>]*>//g; s/&lt;/</g; s/&gt;/>/g; s/&quot;/"/g; s/&amp;/\&/g' "$work/site/security.html" >"$work/security"
	sed -n '/^[-+]#include/d; /^--- /d; /^+++ /d; s/^[-+]//p' common/tests/hostile/weak/*.patch |
		grep -v '^[[:space:]]*$' | grep -vxFf "$work/security"
}

# The pages of the post that has a series.
series_post() { printf '%s\n' docs/03-shared-memory*.md | sed 's/\.md$//' | sort | sed 's/$/.md/'; }

# The steps of which it shows something.
post_steps() {
	# shellcheck disable=SC2046 # a page a word
	sed -n 's/^<!-- step n="\([0-9]*\)".*/\1/p' $(series_post) | uniq
}

# functions STAGE: their names, one a line.
functions() {
	cat "$1"/mydevice*.[ch] | grep -v '^#\|^ \|^	\|;$' |
		sed -n 's/^[a-z][a-z0-9_ *]*[ *]\([a-z][a-z0-9_]*\)(.*/\1/p' | sort -u
}

functions_without_text() {
	functions 02-event-channels >"$work/functions"
	# shellcheck disable=SC2046 # a page a word
	sed '/^```/,/^```$/d; /^<!-- .*-->$/d; /^<!-- /,/-->$/d; /^\[.*, part of `/d' $(series_post) >"$work/text"
	functions 03-shared-memory | grep -vxFf "$work/functions" | while read -r name; do
		grep -qw "$name" "$work/text" || echo "$name"
	done
}

# File and line of each fence with nothing in it.
empty_fences() {
	awk 'last ~ /^```./ && /^```$/ { print FILENAME ":" FNR - 1 } { last = $0 }' "$@"
}

# Fences with code that end in a label or in a comment of the shell: the reader would not see of what.
half_cuts() {
	awk '/^```$/ && lang ~ /^```(c|bash)$/ && last ~ /^[[:space:]]*(case .*:|default:|#.*)([[:space:]]*\/\*.*)?$/ &&
		last !~ /^#(endif|define)/ { print FILENAME ":" FNR - 1 ": " last } /^```/ { lang = $0 } { last = $0 }' "$@"
}

# in_a_browser ADDRESS: what the page is when its scripts have run.
in_a_browser() {
	profile=$(mktemp -d)
	timeout 120 chromium --headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking \
		--disable-component-update --disable-sync --user-data-dir="$profile" --virtual-time-budget=5000 \
		--dump-dom "file://$1" 2>/dev/null
	rm -rf "$profile"
}

# In which order the parts of a page come.
order_of_parts() {
	grep -oE '(class="skip"|id="contents"|class="here"|<main id="text")' "$1" | grep -oE 'skip|contents|here|text' | paste -sd ' '
}

# Headings of the text that one cannot link to.
without_permalink() {
	for page in "$1"/*.html; do
		sed -n '/<article>/,/<\/article>/s/^<h[234][^>]* id="\([^"]*\)".*/\1/p' "$page" | while read -r id; do
			grep -qF "class=\"permalink\" href=\"#$id\"" "$page" || echo "$page: $id"
		done
	done
}

# Pages of source code from which no link leads to a page that is about it.
no_way_back() { find "$1" -name '*.html' -exec grep -LE '<p>(Shown in|Belongs to): <a href="\.\./\.\./[^"]*\.html">' '{}' +; }

# A book of four pages without heads, with wrong numbers, and with a box that leaves one line behind.
bad_book() {
	cat >"$bad/book.html" <<-'PAGES'
		<!DOCTYPE html><meta charset="utf-8"><style>
		@page { size: A5; @top-left { content: "Contents" } @bottom-center { content: "7" } }
		p { break-after: page }
		</style>
		<p>Cover</p> A chapter 4 A section <p></p> <h1>A chapter</h1><pre>one</pre> <p></p><pre>two
		three
		four</pre>
	PAGES
	python3 - "$bad/book.epub" <<-'PAGES'
		import sys, zipfile
		with zipfile.ZipFile(sys.argv[1], "w") as epub:
		    epub.writestr("EPUB/nav.xhtml", '<a href="text/ch001.xhtml#a">A chapter</a><a href="text/ch001.xhtml#b">A section</a>')
		    epub.writestr("EPUB/text/ch001.xhtml", '<pre class="diff">one\ntwo\nthree\nfour</pre><pre class="diff">gone</pre>')
	PAGES
	profile=$(mktemp -d)
	timeout 120 chromium --headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking \
		--disable-component-update --disable-sync --user-data-dir="$profile" --no-pdf-header-footer \
		--print-to-pdf="$bad/book.pdf" "file://$bad/book.html" >/dev/null 2>&1
	rm -rf "$profile"
}

# What a reader would find by typing a word into the search field.
found_by() {
	in_a_browser "$work/site/index.html?q=$1" | grep -o '<ol id="found".*</ol>'
}

# What people paste into a search: a text from a log, a terminal or a compiler, and the
# sections of the page on troubleshooting of which one has to come first.
pasted() {
	cat <<-'TEXTS'
		Timeout connecting to device|insmod-waits-for-half-a-minute
		Waiting for devices to initialise|insmod-waits-for-half-a-minute
		Device with no driver|insmod-waits-for-half-a-minute no-driver
		timeout closing device|a-guest-takes-long-to-shut-down
		starting transaction|quota-transactions
		adding watch on|quota-watches
		watch_otherend|quota-watches
		talk_to_otherend|half-device node-missing
		probe of mydevice-0 failed with error|not-bound quota-watches
		Argument list too long|quota-watches
		E2BIG|quota-watches limits error-node
		quota|the-limits-of-xenstore-and-how-to-raise-them quota-nodes limits
		No space left on device|quota-nodes limits
		28 publishing in device/mydevice/0|quota-nodes
		allocating event channel|port-limit
		sharing a ring|grant-limit
		mapping a ring's page by grant reference|maptrack-limit
		mapping grant reference 779: grant status -13|maptrack-limit error-node
		unknown error EQUOTA|the-limits-of-xenstore-and-how-to-raise-them
		xenbus_dev_probe on device/mydevice/0|quota-watches
		kernel BUG|kernel-bug
		NULL pointer|kernel-bug
		Oops|kernel-bug
		unable to handle kernel paging request|kernel-bug
		blocked for more than|xenwatch-blocked
		--p--d|domain-dying
		zombie|domain-dying
		deferring g.e.|the-log-says-that-a-grant-is-still-in-use
		still in use|the-log-says-that-a-grant-is-still-in-use
		failed to write error node|quota-nodes
		refusing to close|stuck-closing
		guest did not suspend|a-guest-cannot-be-saved-any-more
		Unknown symbol|insmod-unknown-symbol-in-module
		disagrees about version|insmod-invalid-module-format
		Invalid module format|insmod-invalid-module-format
		already registered|insmod-file-exists
		File exists|insmod-file-exists
		Key was rejected|insmod-key-was-rejected-by-service
		incompatible pointer|the-compiler-does-not-know-a-function-or-a-type-does-not-match
		undeclared|the-compiler-does-not-know-a-function-or-a-type-does-not-match
		class_create|the-compiler-does-not-know-a-function-or-a-type-does-not-match
		Skipping BTF generation|the-build-says-skipping-btf-generation
		/dev/xen/gntdev|no-xen-device
		Transport endpoint is not connected|a-program-cannot-open-read-or-write-the-device connected-dead
		max_grant_frames|grant-limit
		maptrack|maptrack-limit
		the frontend speaks version|mixed-stages
		[  353.673139] mydevicefront mydevice-0: 28 starting transaction|quota-transactions
		INFO: task xenwatch:34 blocked for more than 120 seconds.|xenwatch-blocked
		mydevicefront: probe of mydevice-0 failed with error -7|quota-watches not-bound
		mydevicefront mydevice-0: probe with driver mydevicefront failed with error -7|quota-watches not-bound
		[  191.024666] mydevicefront mydevice-0: 28 allocating event channel|port-limit
	TEXTS
}

# What people ask for, and the page or section that has to come first; of several, one.
asked() {
	cat <<-'TEXTS'
		event channels|02-event-channels.html event-channels.html
		event channel|02-event-channels.html event-channels.html glossary.html#event-channel
		shared memory|03-shared-memory.html
		glossary|glossary.html
		grants|grants.html
		grant reference|glossary.html#grant-reference
		domid|glossary.html#domid
		barriers|glossary.html#barrier
		lateeoi|glossary.html#lateeoi
		xenwatch|glossary.html#xenwatch
		index page|glossary.html#index-page
		toolstack|glossary.html#toolstack
		handshake|01-hello-probe.html#the-handshake glossary.html#handshake
		state dance|states.html
		security|security.html
		XSA-423|security.html#the-lessons
		protocol|protocol.html
		character device|character-devices.html
		fsync|03-shared-memory-2.html#step-11-wait-in-fsync-until-the-peer-has-everything
		lost wake-up|03-shared-memory-2.html#the-lost-wake-up
		PVH|guests.html glossary.html#pv-pvh
		driver domain|glossary.html#driver-domain
		secure boot|real-host.html#if-modules-have-to-be-signed
		reboot|real-host.html#after-a-reboot
		where is it tested|platforms.html
		exercises|01-hello-probe.html#exercises 02-event-channels.html#exercises
		coming apart|01-hello-probe.html#coming-apart
		hello probe|01-hello-probe.html
	TEXTS
}

# Both, as TEXT|ADDRESS ADDRESS...
searches() {
	asked
	pasted | awk -F '|' '{ gsub(/[^ ]+/, "troubleshooting.html#&", $2); print $1 "|" $2 }'
}

# The search of the site is asked for all of them in one page.
searches_lead() {
	searches >"$work/searches"
	{
		echo '<!DOCTYPE html><body data-root=""><form class="search"><input id="query"><ol id="found"></ol></form>'
		echo '<pre></pre><script src="search.js"></script><script src="search-index.js"></script><script>'
		echo 'for (const text of ['
		sed 's/|.*//; s/.*/"&",/' "$work/searches"
		cat <<-'SCRIPT'
			]) {
				document.getElementById('query').value = text;
				document.getElementById('query').dispatchEvent(new Event('input'));
				const first = document.querySelector('#found a');
				document.querySelector('pre').textContent += 'FOUND ' + (first ? first.getAttribute('href') : 'nothing') + '\n';
			}
			</script>
		SCRIPT
	} >"$1/searches.html"
	in_a_browser "$1/searches.html" | sed 's/<[^>]*>//g; s/^.*FOUND //' | grep -e '\.html' -e '^nothing' >"$work/found"
	rm "$1/searches.html"
	paste -d '|' "$work/found" "$work/searches" | awk -F '|' '
		!index(" " $3 " ", " " $1 " ") { print $2 ": " $1 ", not " $3; wrong = 1 }
		END { exit wrong || !NR }'
}

# File and line of each advisory that is named without a link to it.
bare_advisories() {
	awk '/^```/ { fence = !fence } !fence && /(^|[^[])XSA-[0-9]/ { print FILENAME ":" FNR }' "$@"
}

# -- a copy in which something does not fit ---------------------------------

fresh_copy() {
	rm -rf "$copy"
	mkdir -p "$copy"
	git ls-files -z docs '0*' common README.md LICENSE .gitignore | tar -cf - --null -T - | tar -C "$copy" -xf -
}

builds() {
	(cd "$copy" && DOCS_ONLY=site docs/tools/build 2>&1)
}

# fails_with TEXT: the build of the copy fails, says why, and leaves no site that
# looks finished.
fails_with() {
	rm -rf "$copy/.build/docs"
	said=$(builds) && { echo "the build did not fail"; return 1; }
	printf '%s\n' "$said" | grep -qF -- "$1" || { echo "it said: $said"; return 1; }
	[ ! -e "$copy/.build/docs/search-index.js" ] || { echo "it left a site"; return 1; }
}

# one_page PAGE: reading it is a few seconds less than building all.
one_page() {
	(cd "$copy" && mkdir -p .build/docs.work/json && docs/tools/build read_page "$1" 2>&1)
}

refuses() {
	said=$(one_page "$1") && { echo "it did not fail"; return 1; }
	printf '%s\n' "$said" | grep -qF -- "$2" || { echo "it said: $said"; return 1; }
}

# changed FILE SED: in the copy, in which the file that was changed last is as it was.
changed() {
	read -r last <"$work/changed" && cp -p "$last" "$copy/$last"
	echo "$1" >"$work/changed"
	# Pages of the series find the steps there already, if they are not of another stage.
	case $last$1 in *02-* | *docs/series*) rm -rf "$copy/.build/docs.work/steps" ;; esac
	sed -i "$2" "$copy/$1"
	! cmp -s "$1" "$copy/$1" || { echo "the change changes nothing: $2 in $1"; return 1; }
}

# breaks DESCRIPTION TEXT PAGE FILE SED: with this change in one file this page
# cannot be made.
breaks() {
	ok "$1" changed "$4" "$5" && ok "$1: and the build says so" refuses "$3" "$2"
}

# -- the tests ---------------------------------------------------------------

# What is refused is refused before anything is built, and removes nothing.
into() { env -C "$copy" "$@" docs/tools/build; }
fresh_copy
mkdir -p "$copy/mine.work" "$copy/site"
touch "$copy/mine.work/file"
ln -s docs "$copy/link"
for place in docs docs/ link . / README.md mine; do
	ok "DOCS_OUT=$place has other things" says 64 "an earlier site, .*: not '$place'" into DOCS_OUT="$place"
done
is "$(cd "$copy" && ls docs/index.md README.md mine.work/file)" "README.md
docs/index.md
mine.work/file" "which are all there still"
is "$(into DOCS_OUT=/proc/x 2>&1 | wc -l; into DOCS_OUT=/proc/x 2>/dev/null; echo $?)" "2
64" "DOCS_OUT cannot be made: mkdir says so once"
ok "half of the book is no choice" says 64 "DOCS_ONLY is site, or not set: not 'siet'" into DOCS_ONLY=siet
sed -i 's/hello, dom0/hello, world/' "$copy/docs/transcripts/00-try.txt"
ok "an empty directory is taken" says 255 'load.svg: this is not' into DOCS_OUT=site
echo >"$copy/site/search-index.js"
ok "and so is an earlier site, beside what is left of a build" says 255 'load.svg: this is not' into DOCS_OUT=site

edition="$(common/version), $(sed -n 's/^## [0-9.]* (\([0-9]* [A-Z][a-z]* 20[0-9]*\))$/\1/p' docs/changelog.md | head -n 1)"

ok "make docs" env DOCS_OUT="$work/site" docs/tools/build
[ -e "$work/site/index.html" ] || { done_testing; exit 1; }
for page in docs/*.md docs/reasons/*.md; do
	name=$(basename "$page" .md)
	case $page in docs/reasons/*) name=$name-diff ;; esac
	ok "$page has its page, under its title" grep -qF \
		"<h1>$(sed -n '/^# /{s/^# //p;q}' "$page" | cut -c1-20)" "$work/site/$name.html"
done
for stage in 02-event-channels 03-shared-memory; do
	previous=$(echo 0*-* | tr ' ' '\n' | grep -B 1 "$stage" | head -n 1)
	is "$(grep -c '<tr class="added">' "$work/site/$stage-side.html")" \
		"$(for file in "$stage"/mydevice*.[ch] "$stage"/*.sh "$stage"/Kbuild "$stage"/Makefile; do
			case $file in *.mod.c) continue ;; esac
			diff --minimal -N "$previous/${file#*/}" "$file"
		done | grep -c '^>')" "$stage: beside the stage before it, with each line that is new"
done
ok "docs/series has its page" grep -qF '<h1>From post 2 to post 3' "$work/site/03-shared-memory-diff.html"
is "$(grep -c '<h2 id="step-' "$work/site/03-shared-memory-diff.html")" "$(find docs/series/03-shared-memory -name '*.patch' | wc -l)" \
	"with each step"
is "$(post_steps | paste -sd ' ')" "$(seq "$(find docs/series/03-shared-memory -name '*.patch' | wc -l)" | paste -sd ' ')" \
	"the post shows each step, in order"
is "$(functions_without_text)" "" "the post's text has the name of each function that the last stage adds"
is "$(weak_lines_left_out)" "" "each line that a weak variant takes away or adds is shown"
ok "tidy has nothing to say about any page" says_nothing valid_html "$work/site"
ok "every link leads somewhere, and nothing is loaded from elsewhere" says_nothing docs/tools/links "$work/site"
is "$(find "$work/site" -name '*.html' -exec grep -L 'CC-BY-4.0.*GPL-2.0' '{}' +)" "" "each page says its licence"
is "$(find "$work/site" -name '*.html' -exec grep -LF "Version $edition." '{}' +)" "" "and its version, with the date"
ok "and so does the PDF" sh -c "pdftotext -l 1 $work/site/xen-split-drivers.pdf - | tr '\n' ' ' | grep 'Version $edition\..*CC-BY-4.0.*GPL-2.0'"
ok "and the EPUB" sh -c "python3 -m zipfile -e $work/site/xen-split-drivers.epub $work/epub &&
	grep '<dc:rights>.*CC-BY-4.0.*GPL-2.0' $work/epub/EPUB/content.opf && grep 'Version $edition\..*CC-BY-4.0.*GPL-2.0' $work/epub/EPUB/text/title_page.xhtml"
mkdir "$bad"
echo '<!DOCTYPE html><html lang="en"><title>x</title><p><b>not closed</p></html>' >"$bad/bad.html"
fails "and would have about a bad one" valid_html "$bad"
ok "epubcheck has nothing to say" valid_epub "$work/site/xen-split-drivers.epub"
head -c 100000 "$work/site/xen-split-drivers.epub" >"$bad/bad.epub"
fails "and would have about half of one" valid_epub "$bad/bad.epub"
ok "each page fits a phone and a desktop, and can be read" docs/tools/look "$work/site"
ok "in the dark, too" docs/tools/look "$work/site" dark
ok "the PDF has pages, and its own fonts" sh -c "
	pages=\$(pdfinfo $work/site/xen-split-drivers.pdf | awk '\$1 == \"Pages:\" { print \$2 }')
	[ \"\$pages\" -ge 20 ] && ! pdffonts $work/site/xen-split-drivers.pdf | awk 'NR > 2 && \$(NF - 4) == \"no\"' | grep ."
ok "the PDF's contents have the right numbers, each page its head, and no box leaves a line behind" \
	says_nothing docs/tools/paper "$work/site/xen-split-drivers.pdf" "$work/site/xen-split-drivers.epub"
bad_book
said=$(docs/tools/paper "$bad/book.pdf" "$bad/book.epub")
has "$said" 'the contents say page 4, which does not have: A chapter' "a wrong number in the contents would be found"
has "$said" 'the contents have no page for: A section' "and none"
has "$said" "page 4 has the head 'Contents', not 'A chapter'" "and the head of another chapter"
has "$said" "page 3 has the number '7'" "and a wrong number on a page"
has "$said" 'page 3 has 1 of 4 lines of the box with: one' "and a line alone"
has "$said" 'there is no box with: gone' "and a box that is not there"
rm "$bad"/book.*
is "$(grep -ho '<h1[^>]*>[^ ]*' "$work"/epub/EPUB/text/ch*.xhtml | sed 's/.*>//' | tail -n 2 | paste -sd ' ')" "Appendix Appendix" \
	"the changes from stage to stage are the book's appendix"
is "$(grep -l '<h1[^>]*>.*From post' "$work"/epub/EPUB/text/ch*.xhtml | grep -c .)" 2 "both of them"
has "$(found_by xenstore-write)" 'href="01-hello-probe.html#' "the search finds a word without a server"
has "$(found_by qqqq)" 'No results for all of these words' "and says so if there is none"
is "$(order_of_parts "$work/site/01-hello-probe.html")" "skip contents here text" "Tab goes to the contents first, then to the text"
is "$(without_permalink "$work/site")" "" "each heading has a link to itself"
is "$(no_way_back "$work/site/source")" "" "each page of source code leads back"
has "$(cat "$work/site/source/01-hello-probe/activate.sh.html")" 'Shown in: <a href="\.\./\.\./01-hello-probe\.html">1 · ' \
	"to the pages that show something of the file"
has "$(cat "$work/site/source/01-hello-probe/Kbuild.html")" 'Belongs to: <a href="\.\./\.\./01-hello-probe\.html">1 · ' \
	"or to the post of its stage"
mkdir "$bad/source"
sed '/Shown in: /d' "$work/site/source/01-hello-probe/activate.sh.html" >"$bad/source/bad.html"
is "$(no_way_back "$bad/source")" "$bad/source/bad.html" "a page that does not would be found"
rm -r "$bad/source"
has "$(in_a_browser "$work/site/02-event-channels.html")" '<button [^>]*data-copies="make -C 02-event-channels load"' \
	"a command can be copied without its prompt"
has "$(in_a_browser "$work/site/01-hello-probe.html")" 'data-copies="xenstore-write \\$' "and one of several lines"
ok "what people ask for and paste into a search leads to the page or section that is about it" searches_lead "$work/site"

cat >"$bad/bad.html" <<EOF
<link rel="stylesheet" href="bad.css"><a href="gone.html">x</a><a href="#gone">y</a><script src="https://example.org/x.js"></script>
<svg><image xlink:href="//example.org/x.png"/></svg><p style="background: url(x)"><i style="color: #ddd">pale</i>
<pre style="width: 500px">wide</pre><pre style="overflow-x: auto">a line that is wider than any column can be $(seq -s ' ' 200)</pre>
<style>h2::before { content: "#"; color: #bbb }</style><h2>before</h2><p style="opacity: 0.4">faded</p><a href="#">  </a>
<pre class="numberSource"><span id="l1"><a></a><span>#define A(x)</span><span style="tab-size: 1">	in a macro</span></span></pre>
<pre class="diff"><b class="number" style="display: inline-block; width: 6ch">1</b>+	indented</pre>
EOF
echo '@import "https://example.org/x.css";' >"$bad/bad.css"
said=$(docs/tools/links "$bad")
has "$said" 'gone.html leads nowhere' "a link that leads nowhere is found"
has "$said" '#gone: there is no such place' "and one to a place that is not there"
has "$said" 'x.js is loaded from elsewhere' "and a script that is loaded from elsewhere"
has "$said" 'x.png is loaded from elsewhere' "and a picture"
has "$said" 'its style is loaded from elsewhere' "and a style"
has "$said" 'bad.css: it loads from elsewhere' "and a style sheet"
said=$(docs/tools/look "$bad")
has "$said" 'bad.html: 5[0-9]* wide on a screen of 390' "a page that is too wide for a phone is found"
has "$said" 'rgb\(221, 221, 221\) on rgb\(255, 255, 255\): pale' "and a text that is too pale"
has "$said" 'rgb\(153, 153, 153\) on rgb\(255, 255, 255\): faded' "and one that is transparent"
has "$said" 'rgb\(187, 187, 187\) on rgb\(255, 255, 255\): "#" before H2' "and one of the style sheet's"
has "$said" 'wide in a column of [0-9]*: a line that is wider' "and a box with more in it than fits a desktop"
has "$said" 'bad.html: a tab is too narrow before: indented' "and code that is not indented"
has "$said" 'the Tab key stops at a link without a text: #' "and a link without a text"

# shellcheck disable=SC2046 # one word a file
ok "where a forge shows the pages, every link leads somewhere" docs/tools/forge $(pages)
printf '# A\n\n[x](#b) [y](gone.md) [z](#a) ![p](gone.svg)\n\n## C {#b}\n' >"$bad/bad.md"
said=$(docs/tools/forge "$bad/bad.md")
has "$said" '#b: there is no such place' "one that leads nowhere there is found"
has "$said" 'gone.md leads nowhere' "and one to a file that is not there"
has "$said" 'gone.svg leads nowhere' "and a picture"
has "$said" 'shows the reader C \{#b\}' "and attributes in a heading"
is "$(bare_advisories docs/*.md)" "" "each security advisory is a link"
printf '[XSA-1](x), XSA-2\n' >"$work/xsa.md"
is "$(bare_advisories "$work/xsa.md")" "$work/xsa.md:1" "one that is not would be found"
is "$(findings | wc -l)" "$(grep -c '^<a id=' docs/troubleshooting.md)" "the doctor's findings can be read"
is "$(unlike_findings docs/troubleshooting.md)" "" "each finding of the doctor has its section and a check, each section its finding"
sed 's/^<a id="hotplug">/<a id="hotplugs">/' docs/troubleshooting.md >"$work/findings.md"
said=$(unlike_findings "$work/findings.md")
has "$said" 'no section <a id="hotplug"></a> for HOTPLUG' "a finding without a section would be found"
has "$said" 'hotplugs is no finding of the doctor' "and a section without a finding"
# shellcheck disable=SC2046 # one word a file
ok "mdl has nothing to say" well_styled $(pages)
printf '# One\n\n### Three\n' >"$bad/bad.md"
fails "and would have about a bad page" well_styled "$bad/bad.md"
# shellcheck disable=SC2046 # one word a file
is "$(too_wide $(pages))" "" "no line of prose has more than 100 characters"
printf '%0101d\n\n```\n%0101d\n' 1 2 >"$bad/bad.md"
is "$(too_wide "$bad/bad.md")" "$bad/bad.md:1" "one that has would be found"
# shellcheck disable=SC2046 # one word a file
is "$(well_written $(pages))" "" "each sentence is short, and none has a turn of phrase that we avoid"
cat >"$bad/bad.md" <<EOF
# A page anew

If one reads it: it is long: $(seq -s ' ' 36). Who reads it learns it. \`anew: a: b\` is code, and one of two may stay.
EOF
said=$(well_written "$bad/bad.md")
has "$said" '"A page anew\.\.\.": .anew.: write again' "a word that we do not use is found, in a heading, too"
has "$said" '"If one reads it: .* words; 35 at most' "and a sentence that is too long"
has "$said" '.if one reads.: write you' "and a turn"
has "$said" '"Who reads it learns it.*name the subject' "and a clause for a subject"
has "$said" '2 colons in a paragraph' "and two colons"
is "$(printf '%s\n' "$said" | grep -c .)" 5 "and nothing else"
# shellcheck disable=SC2046 # one word a file
ok "codespell has nothing to say" says_nothing well_spelled $(git ls-files)
# shellcheck disable=SC2046 # one word a file
is "$(misspelled $(pages))" "" "hunspell knows every word, or docs/tools/words does"
printf '# A wrond word\n\nA `kmallok` one, which is code, and a *wordd*.\n' >"$work/words.md"
is "$(misspelled "$work/words.md" | paste -sd ' ')" 'wordd wrond' "and would not know a wrong one"
# shellcheck disable=SC2046 # one word a file
ok "what the pages say of make and of the lab is there" docs/tools/commands $(pages)
printf 'Type `make -C 01-hello-probe wach`, or\n\n    make lab-reset DOMS=3\n    common/lab/lab rum dom0\n' >"$work/make.md"
said=$(docs/tools/commands "$work/make.md")
has "$said" 'no target wach' "a target that is not there is found"
has "$said" 'no Makefile knows DOMS' "and a variable"
has "$said" 'the lab has no command rum' "and a command of the lab"

# The change is made in every stage and step, so that undone in what comes out it leaves nothing.
same_but_for_that() {
	find "$copy/.build/docs" -type f -exec sed -i 's/We are ready to go/We are good to go/g' '{}' + &&
		diff -r -x '*.pdf' -x '*.epub' "$work/site" "$copy/.build/docs"
}

# stale PAGE COMMENT: reading the page fails, names the block, and says what to type.
stale() {
	refuses "$1" "docs/$1: this is not what it holds now; type: make docs-refresh" && refuses "$1" "    <!-- $2"
}

# refresh [VARIABLE=VALUE]
refresh() { (cd "$copy" && env "$@" docs/tools/build refresh 2>&1); }

fresh_copy
is "$(refresh)" "" "what the pages hold is what there is: make docs-refresh changes nothing"
for page in docs/*.md; do cmp "$page" "$copy/$page"; done >"$work/differ" 2>&1
is "$(cat "$work/differ")" "" "to the letter"
is "$(empty_fences docs/*.md)" "" "and no fence is empty"
printf '```c\n```\n\n```c\nx\n```\n' >"$work/empty.md"
is "$(empty_fences "$work/empty.md")" "$work/empty.md:1" "one that is would be found"
is "$(half_cuts docs/*.md)" "" "no code ends in a label, or in half a comment"
printf '```c\n\tcase 3:\t/* x */\n```\n\n```bash\ntrue\n# All\n```\n' >"$work/cut.md"
is "$(half_cuts "$work/cut.md" | grep -c .)" 2 "what does would be found"
for change in \
	'code file="01-hello-probe/mydevicefront.c" name="mydevicefront_ids"|01-hello-probe.md|s/^\t{ "mydevice" },/&\t/' \
	'transcript name="01-end"|01-hello-probe.md|/name="01-end"/,/^```$/s/^\$ make/$ nmake/' \
	'trace name="01-connect"|01-hello-probe.md|s/|-- version = 1 -/|-- version = 2 -/' \
	'step n="1" file="mydevicefront.c" name="mydevicefront_share"|03-shared-memory.md|/name="mydevicefront_share"/,/^```$/s/\.patch)/.pitch)/' \
	'step n="1" file="mydevicefront.c" name="struct mydevicefront_info"|03-shared-memory.md|/n="1".*name="struct mydevicefront_info"/,/^```$/{/^[+]/d}' \
	'weak name="plain-eoi"|security.md|/name="plain-eoi"/,/^```$/s/^Beaten by/Beaten up by/'; do
	comment=${change%%|*} page=${change#*|}
	sed=${page#*|} page=${page%%|*}
	cp "docs/$page" "$copy/docs/$page"
	sed -i "$sed" "$copy/docs/$page"
	ok "$comment, as it is not: the build says so" stale "$page" "$comment"
	cp "docs/$page" "$copy/docs/$page"
done
sed -i '/^```c$/,/^```$/{/^```/!d}' "$copy/docs/01-hello-probe.md"
ok "fences without anything" stale 01-hello-probe.md 'code file="01-hello-probe/mydevicefront.c" name="mydevicefront_ids"'
is "$(refresh)" "docs-refresh: docs/01-hello-probe.md" "make docs-refresh fills them"
ok "with what they held" cmp docs/01-hello-probe.md "$copy/docs/01-hello-probe.md"
for address in https://example.org/one https://example.org/two; do
	refresh SITE="$address" >"$work/refreshed"
	is "$(sed -n 3p "$copy/README.md") $(grep -c 'Read it as a site' "$copy/README.md")" "Read it as a site: <$address> 1" \
		"SITE=$address: README.md links it, in its first line"
done
has "$(refresh SITE=example.org)" "SITE is the address of a site.*not 'example.org'" "SITE without https:// is refused"
has "$(refresh SITE='https://example.org/a b')" "SITE is an address of letters" "and with a blank"
sed -i '/^```c$/,/^```$/{/^```/!d}' "$copy/docs/01-hello-probe.md"
cp "$copy/docs/01-hello-probe.md" "$work/emptied.md"
sed -i 's/^<!-- weak name="plain-eoi"/<!-- weak name="gone"/' "$copy/docs/security.md"
fails "it fails if one page asks for what there is not" refresh
ok "and has written none" cmp "$work/emptied.md" "$copy/docs/01-hello-probe.md"

ok "README.md shows a terminal, and says what it shows" grep -q '^!\[[^]]\{40,\}\](docs/pictures/load\.svg)$' README.md
ok "its picture is text, with a title" python3 -c "import xml.etree.ElementTree as tree
svg = tree.parse('docs/pictures/load.svg')
of = lambda tag: [''.join(at.itertext()) for at in svg.iter('{http://www.w3.org/2000/svg}' + tag)]
assert of('title')[0] and '\$ make -C 03-shared-memory try' in of('text')"
fresh_copy
sed -i 's/hello, dom0/hello, world/' "$copy/docs/transcripts/00-try.txt"
ok "a change in what it shows: make docs says that it is stale" \
	fails_with 'docs/pictures/load.svg: this is not what docs/transcripts holds now; type: make docs-refresh'
has "$(refresh)" 'docs-refresh: docs/pictures/load.svg' "make docs-refresh draws it again"
ok "with what it should show" grep -q '^<text.*>hello, world<' "$copy/docs/pictures/load.svg"

fresh_copy
sed -i 's/We are good to go/We are ready to go/' "$copy"/0*/mydevice*.c "$copy"/docs/series/*/*.patch
ok "a change in a function that a post shows: make docs says that the post is stale" fails_with 'type: make docs-refresh'
ok "make docs-refresh puts it into the post" sh -c "
	(cd $copy && docs/tools/build refresh) && grep -q 'We are ready to go' $copy/docs/01-hello-probe.md"
ok "and make docs into its page" sh -c "
	(cd $copy && DOCS_ONLY=site docs/tools/build) && grep -q 'We are ready to go' $copy/.build/docs/01-hello-probe.html"
ok "hints and answers are folded on the site" grep -q "<details><summary>Answer</summary>" "$work/site/01-hello-probe.html"
ok "and open in the EPUB" sh -c "grep -q '<strong>Answer</strong>' $work/epub/EPUB/text/*.xhtml"
ok "apart from that another build, elsewhere, gives the same site" same_but_for_that
fresh_copy
echo README.md >"$work/changed"
ok "a function is renamed" changed 01-hello-probe/mydevicefront.c 's/mydevicefront_publish/mydevicefront_announce/'
ok "and the build says so, and leaves no site" fails_with "defines no 'mydevicefront_publish'"
breaks "a function that only the prose names" "which no stage has" 01-hello-probe.md \
	docs/01-hello-probe.md 's/mydevicefront_pick_version/mydevicefront_choose_version/'
breaks "a marker that is gone" "no line has '# The directories first'" 01-hello-probe.md \
	01-hello-probe/activate.sh 's/^# The directories first/# First the directories/'
breaks "one that a cut ends before" "no line after the first one has '# All keys at once'" 01-hello-probe.md \
	01-hello-probe/activate.sh 's/^# All keys at once/# Then the keys/'
breaks "a marker that is there twice" "more than one line has" 01-hello-probe.md \
	01-hello-probe/activate.sh 's/^# The directories first.*/&\n&/'
breaks "a transcript that is not there" "there is no file docs/transcripts/gone.txt" 01-hello-probe.md \
	docs/01-hello-probe.md 's/name="01-keys"/name="gone"/'
breaks "a change without a reason" "and no reason is given" reasons/02-event-channels.md \
	docs/reasons/02-event-channels.md 's/, `mydevicefront_take_time`//'
breaks "a heading with nothing below it" "a heading, and no reason" reasons/02-event-channels.md \
	docs/reasons/02-event-channels.md '/^### `mydevicefront_probe`/,/^##/{/^###* /!d}'
breaks "a reason without a change" "and no change" reasons/02-event-channels.md \
	docs/reasons/02-event-channels.md 's/^### `mydevicefront_notify`.*/&, `mydevicefront_negotiate`/'
breaks "a change that nobody explained" "and no reason is given" reasons/02-event-channels.md \
	02-event-channels/mydevicefront.c 's/^\tmydevicefront_disconnect(info);$/&\n\tbarrier();/'
breaks "a definition that a step has not" "step 6 has no mydevice_stream_take" 03-shared-memory.md \
	docs/03-shared-memory.md 's/name="mydevice_stream_put, mydevice_copy"/name="mydevice_stream_put, mydevice_copy, mydevice_stream_take"/'
breaks "one that it does not change" "step 4 does not change mydevice_stream_begin" 03-shared-memory.md \
	docs/03-shared-memory.md '/n="4"/s/name="mydevice_node_free, /&mydevice_stream_begin, /'
breaks "one that it changes and the post does not show" "step 6 changes mydevice_at in mydevice.h" 03-shared-memory.md \
	docs/03-shared-memory.md '/n="6".*name="mydevice_at"/,/^```$/d'
breaks "a step that there is not" "there is no step 99" 03-shared-memory.md \
	docs/03-shared-memory.md 's/n="7"/n="99"/'
breaks "a picture without a caption" "a picture without a caption" states.md \
	docs/states.md 's/^\*The frontend.s states.*/Text./'
breaks "a remark on what a trace does not have" "the backend did not write 'Closing'" 01-hello-probe.md \
	docs/01-hello-probe.md 's/^backend Connected: reads and checks/backend Closing: reads and checks/'
breaks "a trace in which nothing happened" "xbwatch saw nothing" 01-hello-probe.md \
	docs/transcripts/01-connect.txt '/^ *[1-9][0-9.]* .*end /d'
ok "a link to a page that is not there" changed docs/00-the-ground.md 's/(01-hello-probe.md)/(99-gone.md)/'
ok "and the build says so" fails_with "no page is called 99-gone.md"
breaks "a command that nobody types" "a block that is no transcript: ls" 01-hello-probe.md \
	docs/01-hello-probe.md 's/^## See it happen/&\n\n    ls/'
breaks "an address without a heading" 'no heading follows <a id="kernel-bug">' troubleshooting.md \
	docs/troubleshooting.md 's/^<a id="kernel-bug">.*/&\n\nText./'
breaks "a comment of no kind" "no comment of a kind that is known: <!-- kode" 01-hello-probe.md \
	docs/01-hello-probe.md 's/^<!-- code \(.*mydevicefront_ids\)/<!-- kode \1/'
breaks "a comment without its fence" "no fence follows <!-- transcript name=\"01-keys\"" 01-hello-probe.md \
	docs/01-hello-probe.md 's/^<!-- transcript name="01-keys" -->/&\n\nText./'
breaks "HTML in a page" "HTML has no place here: <b>" 01-hello-probe.md \
	docs/01-hello-probe.md 's/^## See it happen/&\n\nA <b>word<\/b>./'
breaks "a weak variant that does not fit any more" "no-producer-check.patch does not fit 03-shared-memory" security.md \
	03-shared-memory/mydevice.h 's/^\tif ((__u32)(prod - ring->prod) >/\tif (prod - ring->prod >/'
breaks "one that is beaten by a case that is gone" "there is no case 99-gone" security.md \
	common/tests/hostile/weak/wide-permissions.patch 's/^#: case [^ ]*/#: case 99-gone/'
breaks "one that is not shown" "the weak variant stale-data is not shown" security.md \
	docs/security.md 's/name="stale-data"/name="double-fetch"/'
fresh_copy
rm "$copy/common/tests/hostile/weak/stale-data.patch"
ok "one whose patch is gone: and the build says so" refuses security.md "there is no file common/tests/hostile/weak/stale-data.patch"
breaks "an exercise without an answer" "there is no file docs/exercises/2.8.md" 02-event-channels.md \
	docs/02-event-channels.md 's/^7\. Make the frontend.*/7. Nothing.\n8. &/'
breaks "an answer without an exercise" "it has 6 exercises, and docs/exercises has 7" 01-hello-probe.md \
	docs/01-hello-probe.md '/^7\. The frontend treats/,/^<!--/d'
breaks "an exercise without a hint" "docs/exercises/1.1.md has no hint" 01-hello-probe.md \
	docs/exercises/1.1.md '/^The text is in/d'
breaks "an answer that names what is nowhere" "'mydevicefront_greet', which no stage has" 01-hello-probe.md \
	docs/exercises/1.1.md 's/mydevicefront_probe/mydevicefront_greet/'
breaks "a page without a title" "does not begin with a title" protocol.md \
	docs/protocol.md '1d'

# -- typing ----------------------------------------------------------------------

# transcript NAME LINE...: in the copy.
transcript() {
	name=$1
	shift
	printf '%s\n' "$@" >"$copy/docs/transcripts/$name.txt"
}

fresh_copy
transcript right '$ echo hello; echo event-channel = 12; seq 9' hello 'event-channel = 7' ... 9
transcript wrong '$ echo hello' 'hello, too'
transcript trace '$ cat seen 2>&1; echo Connected >seen' Connected
printf '\n%s\n-->\n' '<!-- trace name="trace"' >>"$copy/docs/00-the-ground.md"
ok "a command that prints what its transcript shows" "$copy/docs/tools/play" --check right
fails "and one that does not" "$copy/docs/tools/play" --check wrong
ok "what it does" says 0 '^play \[--check\]' "$copy/docs/tools/play" --help
ok "no such transcript" says 64 "^play: there is no transcript 'nosuch'; there are: .*01-load" "$copy/docs/tools/play" right nosuch
transcript there '$ echo hello' 'hello, too'
transcript asked 'dom0# true'
transcript meant '$ echo lab: no more; exit 1' 'lab: no more'
for words in asked '--check asked'; do
	# shellcheck disable=SC2086 # words
	ok "play $words: the lab does not run" says 1 'the lab failed, so nothing is written: dom0# true$' \
		env LAB_NAME=none "$copy/docs/tools/play" there $words
done
is "$(cat "$copy/docs/transcripts/asked.txt" "$copy/docs/transcripts/there.txt")" 'dom0# true
$ echo hello
hello, too' "and no transcript is written, not even one before that"
ok "a message of the lab's that the transcript has" says 0 '^meant: as before$' "$copy/docs/tools/play" meant
ok "a trace is typed again if something was missed" "$copy/docs/tools/play" --check trace
transcript trace '$ cat seen' Closed
fails "and not for ever" sh -c "sed -i 's/^HUMAN = 2/HUMAN = 0/' $copy/docs/tools/play; $copy/docs/tools/play --check trace"

done_testing

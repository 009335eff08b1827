# SPDX-License-Identifier: GPL-2.0
#
# Runs of equal lines in two of the files, more than MOST of them: where they are and how
# many. The two ends' names count as one, so that a function which stands in both modules
# is found. Empty lines, includes and the licence do not count, nor do the lines of the
# definitions in ALLOWED, by their names without the driver's.

BEGIN {
	for (i = split(ALLOWED, name, " "); i > 0; i--)
		allowed[name[i]] = 1
}

FNR == 1 {
	files[++nr_files] = FILENAME
	definition = ""
	comment = 0
}

# A definition begins in the first column, and a comment there belongs to the next one.
/^\/\*/ { comment = FNR }

{
	text = $0
	gsub(/mydevice(front|back)/, "mydevice", text)
	gsub(/frontend|backend/, "end", text)
	line[FILENAME, FNR] = text
	counts[FILENAME, FNR] = text !~ /^[ \t]*$|^#include|SPDX-License-Identifier/ && !(definition in allowed)
	last[FILENAME] = FNR
}

/^[a-z].*[(={]/ && !/;$/ {
	definition = $0
	sub(/ *(\[[^]]*\] *)?[(={].*/, "", definition)
	sub(/.*[ *]/, "", definition)
	sub(/^mydevice(front|back)?_/, "", definition)
	for (i = comment ? comment : FNR; i <= FNR; i++)
		if (definition in allowed)
			counts[FILENAME, i] = 0
	comment = 0
}

function compare(a, b,	where, i, j, k, n, place, length_, found) {
	for (j = 1; j <= last[b]; j++)
		if (counts[b, j])
			where[line[b, j]] = where[line[b, j]] " " j
	for (i = 1; i <= last[a]; i++) {
		n = split(where[line[a, i]], place, " ")
		for (k = 1; k <= n; k++) {
			j = place[k]
			if (i > 1 && j > 1 && counts[a, i - 1] && line[a, i - 1] == line[b, j - 1])
				continue	# in a run that was seen
			found = 0
			for (length_ = 0; i + length_ <= last[a] && j + length_ <= last[b] &&
			     line[a, i + length_] == line[b, j + length_]; length_++)
				found += counts[a, i + length_] && counts[b, j + length_]
			if (found > MOST)
				printf "%s:%d and %s:%d: %d equal lines\n", a, i, b, j, found
		}
	}
}

END {
	for (a = 1; a <= nr_files; a++)
		for (b = a + 1; b <= nr_files; b++)
			compare(files[a], files[b])
}

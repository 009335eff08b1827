# SPDX-License-Identifier: GPL-2.0
#
# What the tests do not execute, from the files that gcov wrote (FILE.gcov), compared
# with the list not-covered, which is read first. Prints a line for each: where it is, in
# which function, its text, and the reason, if it has one. Exits with 1 if one has none,
# or if an entry of the list is of use for nothing.
#
# A line's function is the one whose head stands last above it, in the kernel's style; or
# the macro that makes one, such as MYDEVICEFRONT_COUNT.

function trim(text) {
	gsub(/[[:space:]]+/, " ", text)
	sub(/^ /, "", text)
	sub(/ $/, "", text)
	return text
}

# An entry's key, for each of its stages.
function enter(text,	i, n, words) {
	n = split(entry_stages, words, ",")
	for (i = 1; i <= n; i++) {
		key = words[i] SUBSEP entry_function SUBSEP text
		listed[key] = FILENAME ":" FNR
		varies[key] = entry_varies
		keys_of_entry[++nr_keys] = key
	}
}

function complain(text) {
	print text
	wrong = 1
}

# -- the list ----------------------------------------------------------------

FILENAME ~ /not-covered$/ {
	if (/^#/ || /^$/)
		next
	if (/^[^[:space:]]/) {
		entry_stages = $1
		entry_function = $2
		entry_varies = $3 == "sometimes"
		nr_keys = 0
	} else if (/^\t: /) {
		for (i = 1; i <= nr_keys; i++)
			reason[keys_of_entry[i]] = reason[keys_of_entry[i]] " " trim(substr($0, 4))
	} else {
		enter(trim($0))
	}
	next
}

# -- what gcov found -----------------------------------------------------------

FNR == 1 {
	n = split(FILENAME, path, "/")
	stage = substr(path[n - 1], 1, 2)
	file = path[n]
	sub(/\.gcov$/, "", file)
	name = ""
}

/^(function|branch|call) / { next }

{
	count = trim(substr($0, 1, index($0, ":") - 1))
	rest = substr($0, index($0, ":") + 1)
	number = trim(substr(rest, 1, index(rest, ":") - 1))
	text = substr(rest, index(rest, ":") + 1)
	if (text ~ /^[a-z].*\(/ && text !~ /;$|^static DEVICE_ATTR/ || text ~ /^MYDEVICE.*_COUNT\(/) {
		name = text
		sub(/\(.*/, "", name)
		sub(/.*[^a-zA-Z0-9_]/, "", name)
	}
	text = trim(text)
	key = stage SUBSEP name SUBSEP text
}

count == "#####" {
	seen[key] = 1
	place = sprintf("%s/%s:%d: %s: %s", path[n - 1], file, number, name, text)
	if (key in listed)
		named = named place "\n\t" trim(reason[key]) "\n"
	else
		unnamed = unnamed place "\n"
}

END {
	if (named)
		printf "Not executed, for a reason:\n%s\n", named
	if (unnamed)
		complain("Not executed, and not in the list:\n" unnamed)
	for (key in listed) {
		split(key, part, SUBSEP)
		entry = part[1] " " part[2] ": " part[3]
		if (reason[key] == "")
			complain(listed[key] ": no reason: " entry)
		else if (!(key in seen) && !varies[key])
			complain(listed[key] ": in the list, but executed, or not there: " entry)
	}
	exit wrong
}

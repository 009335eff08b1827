# SPDX-License-Identifier: GPL-2.0
#
# What the tests do not execute, from the files that gcov wrote (FILE.gcov), compared
# with the list not-covered, which is read first. Prints a line for each: where it is, in
# which function, its text, and the reason, if it has one. Exits with 1 if one has none,
# or if an entry of the list is of use for nothing.
#
# A line's function is the one whose head stands last above it, in the kernel's style; or
# the macro that makes one, such as MYDEVICE_COUNT.

function trim(text) {
	gsub(/[[:space:]]+/, " ", text)
	sub(/^ /, "", text)
	sub(/ $/, "", text)
	return text
}

# An entry's keys: each line of it in each of its stages and functions.
function enter(text,	i, k, stages, functions) {
	for (i = split(entry_stages, stages, ","); i > 0; i--)
		for (k = split(entry_functions, functions, ","); k > 0; k--) {
			key = stages[i] SUBSEP functions[k] SUBSEP text
			listed[key] = FILENAME ":" FNR
			varies[key] = entry_varies
			keys_of_entry[++nr_keys] = key
		}
}

# Those that follow each other and have the same reason are given it together.
function name_it(place, why) {
	if (named && why != last_why)
		named = named "\t" last_why "\n"
	named = named place "\n"
	last_why = why
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
		entry_functions = $2
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

# A function that is in both modules comes once with the sum of its counts, and then once
# for each, between lines of dashes and below its name. The sum is what counts.
/^-+$/ { in_one = 0; dashes = 1; next }
dashes && /^[a-zA-Z_0-9.]+:$/ { in_one = 1 }
{ dashes = 0 }
in_one { next }

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
		name_it(place, trim(reason[key]))
	else
		unnamed = unnamed place "\n"
}

END {
	if (named)
		printf "Not executed, for a reason:\n%s\t%s\n\n", named, last_why
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

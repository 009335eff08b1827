# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0
#
# How the lab speaks: always on standard error, because standard output
# belongs to the commands that run in the domains.

say() {
	progress_end
	printf 'lab: %s\n' "$1" >&2
	shift
	[ $# -eq 0 ] || printf '     %s\n' "$@" >&2
}

# die LINE...: what is wrong, where, and what to type instead.
die() {
	say "$@"
	exit 1
}

# A usage error is told apart, as sysexits.h does.
die_usage() {
	say "$@"
	exit 64
}

now() {
	date +%s
}

# progress TEXT: one line that is overwritten, on a terminal only. Reads began.
progress() {
	[ -t 2 ] || return 0
	printf '\r\033[K     %s ... %d s' "$1" $(($(now) - began)) >&2
	progress_shown=y
}

progress_end() {
	[ -z "$progress_shown" ] || printf '\r\033[K' >&2
	progress_shown=
}
progress_shown=

# domus N: "1 domU", "3 domUs".
domus() {
	if [ "$1" = 1 ]; then echo "1 domU"; else echo "$1 domUs"; fi
}

free_mib() {
	echo $(($(df -k --output=avail "$build" | tail -n 1) / 1024))
}

die_disk() {
	die "the lab could not write to $build ($(free_mib) MiB are free there)." \
		"Make room there, then run the same command again."
}

# need_space MIB: in the build directory, before something large is begun.
need_space() {
	free=$(free_mib)
	[ "$free" -ge "$1" ] ||
		die "$build has $free MiB free, and making the lab needs $1 MiB." \
			"Free some space, or put the build directory elsewhere: LAB_BUILD=/some/where"
}

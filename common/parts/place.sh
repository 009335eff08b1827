# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0
#
# Can a command work where this clone is, for the one who typed it? A script that uses this has die.

# must_build_in DIRECTORY [ADVICE]: each stage's Makefile says the same of itself.
must_build_in() {
	case $1 in
	*[[:space:]:\;\&\(\)\*\\\|\<\>\?,\"\#\$%\'\`]*)
		die "the kernel's build system cannot build in '$1', because of a space or a special character in that path: ${2-move the directory}" ;;
	esac
}

# must_write DIRECTORY: makes it, if it is not there.
must_write() {
	{ mkdir -p "$1" 2>/dev/null && [ -w "$1" ]; } && return
	there=$1
	until [ -e "$there" ]; do there=$(dirname "$there"); done
	owner=$(stat -c %U "$there")
	die "$1 cannot be written, because $there is $owner's: work as $owner, or in a clone of your own"
}

# die_without_git WHY: git does not answer for this directory. Its own words say why, if that is
# not for want of a clone.
die_without_git() {
	said=$(LC_ALL=C git rev-parse --git-dir 2>&1) && said='not a git repository'
	case $said in
	*'not a git repository'*) die "this is not a git clone, so $1" ;;
	*) die "$said" ;;
	esac
}

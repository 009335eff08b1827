# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0
#
# Commits that are the same wherever and whenever they are made, for the branches of the
# posts and for a stage's series. A script that uses this has die, and a directory $tmp.

dir=$(sed -n 's/^driver := //p' 01-*/Makefile)	# what the driver's directory is called in every commit
name="$dir tutorial"
mail=$dir@example.org
epoch=1767225600		# 2026-01-01; each post a day later

# plain_git ARG...: git, whatever the reader's settings are; for repositories made here.
plain_git() {
	env -u GIT_CONFIG_COUNT -u GIT_CONFIG_PARAMETERS GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1 \
		git -c i18n.commitEncoding=UTF-8 "$@"
}

# as_ours DATE COMMAND...: what it commits has the name and the time that all have.
as_ours() (
	export GIT_AUTHOR_NAME="$name" GIT_AUTHOR_EMAIL="$mail" GIT_AUTHOR_DATE="$1 +0000"
	export GIT_COMMITTER_NAME="$name" GIT_COMMITTER_EMAIL="$mail" GIT_COMMITTER_DATE="$1 +0000"
	shift
	"$@"
)

# date_of STAGE: 01 is the first day.
date_of() {
	number=${1%%-*}
	echo $((epoch + (${number#0} - 1) * 86400))
}

# message: of a post on standard input prints the title, and the summary, the first
# paragraph after it.
message() {
	awk '
		NR == 1 && /^# / { title = 1; print substr($0, 3); next }
		title && !text && /^$/ { next }
		text && /^$/ { exit }
		title { if (!text++) print ""; print }'
}

# lay REPOSITORY DATE PATCH...: commits each patch on top of the one before it, beginning
# at HEAD. Fails if one does not apply; then $tmp/failed has its number and its file, and
# $tmp/am says what git said.
lay() {
	in=$1 on=$2
	shift 2
	tip=$(plain_git -C "$in" rev-parse HEAD) || return
	number=0
	for patch; do
		number=$((number + 1))
		as_ours "$on" plain_git -C "$in" am -q --whitespace=nowarn "$patch" </dev/null >"$tmp/am" 2>&1 || {
			printf '%s %s\n' $number "$patch" >"$tmp/failed"
			return 1
		}
	done
	all_ours "$in" "$on" "$tip"
}

# all_ours REPOSITORY DATE BASE: makes all commits after BASE again, with our name and time; if
# the patches were written by common/series they have them.
all_ours() {
	ours="$name <$mail> $2 +0000"
	[ "$(plain_git -C "$1" log --date=raw --format='%an <%ae> %ad %cn <%ce> %cd' "$3..HEAD" | sort -u)" != "$ours $ours" ] || return 0
	new=$3
	for commit in $(plain_git -C "$1" rev-list --reverse "$3..HEAD"); do
		new=$(plain_git -C "$1" cat-file commit "$commit" | sed '1,/^$/d' |
			as_ours "$2" plain_git -C "$1" commit-tree "$commit^{tree}" -p "$new") || return
	done
	plain_git -C "$1" reset -q --hard "$new"
}

# die_failed STAGE DIRECTORY ADVICE...: what did lay stumble over? The patches are in
# DIRECTORY/docs/series.
die_failed() {
	stage=$1 below=$2
	shift 2
	[ -s "$tmp/failed" ] || die "git could not make the commits (see above)"
	IFS=' ' read -r number failed <"$tmp/failed"
	why=$(hunks_failed "$failed" | sed '2,$s/^/    /')
	die "step $number of $stage does not apply: ${failed#"$below"}" "$why" "$@"
}

# hunks_failed PATCH: those that do not apply, one a line: FILE, hunk N: @@ ... @@. Without
# any, what git said.
hunks_failed() {
	awk '
		FNR == NR && /^error: patch failed: / { sub(/^error: patch failed: /, ""); bad[$0] = 1; next }
		FNR == NR { said = said $0 "\n"; next }
		/^diff --git / { file = ""; hunk = 0 }
		/^--- a\// { file = substr($0, 7) }
		/^@@ -/ {
			hunk++
			split(substr($2, 2), at, ",")
			if (file ":" at[1] in bad) { print file ", hunk " hunk ": " $0; found = 1 }
		}
		END { if (!found) printf "%s", said }' "$tmp/am" "$1"
}

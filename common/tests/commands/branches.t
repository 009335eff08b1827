#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# make branches makes each post's branch from its directory and changes nothing else. It runs in a
# clone of this repository.

top=$(cd "$(dirname "$0")/../../.." && pwd -P)
. "$top/common/tests/lib/tap.sh"
work=$top/.build/tests/branches
clone=$work/clone
# A reader's own settings, and their own name on their commits.
export GIT_CONFIG_GLOBAL="$work/config" GIT_CONFIG_NOSYSTEM=1

fresh_clone() {
	rm -rf "$work" && mkdir -p "$work" && printf '[user]\n\tname = A Reader\n\temail = reader@example.org\n' >"$work/config" &&
		git clone -q "file://$top" "$clone" && cd "$clone" && cp "$top/common/branches" "$top/common/series" common &&
		cp "$top/common/parts/commits.sh" "$top/common/parts/place.sh" common/parts
}

# All that must not change: where HEAD is, the index, the files, other branches.
# The branches that are made are listed apart.
everything_else() {
	git symbolic-ref HEAD
	git rev-parse HEAD
	git ls-files -s
	git status --porcelain
	git for-each-ref | grep -v refs/heads/post/
}
posts() { git for-each-ref --format='%(objectname) %(refname)' refs/heads/post/; }

refuses() {
	said=$(common/branches 2>&1) && { echo "it did not refuse: $said"; return 1; }
	printf '%s\n' "$said" | grep -q "$1" || { echo "it said: $said"; return 1; }
}

ok "a clone of the last commit" fresh_clone
cd "$clone" || bail_out "there is no clone"
ok "a clone that git refuses for its owner: git's own words" says 1 'dubious ownership' \
	env GIT_TEST_ASSUME_DIFFERENT_OWNER=1 common/branches
stages=$(echo 0*-*)
before=$(everything_else)
ok "make branches" make -s branches
is "$(everything_else)" "$before" "HEAD, index, files and other branches are as they were"
is "$(git for-each-ref --format='%(refname:short)' refs/heads/post/ | paste -sd ' ')" \
	"$(for s in $stages; do echo "post/$s"; done | paste -sd ' ')" "a branch for each stage, and no other"

# subjects STAGE: of its series, or the title of its post.
subjects() {
	if [ -d "docs/series/$1" ]; then
		common/series list | sed 's/^ *[0-9]* *+[0-9]* *-[0-9]* *//'
	else
		sed -n '1s/^# //p' "docs/$1.md"
	fi
}

# new_commits STAGE: the commits that are in its branch, and not in the one before.
new_commits() { git rev-list --reverse "post/$1" ${parent:+"^$parent"}; }

parent=
for stage in $stages; do
	is "$(git rev-parse "post/$stage:mydevice")" "$(git rev-parse "HEAD:$stage")" "post/$stage: the tree is the directory's"
	is "$(git ls-tree --name-only "post/$stage")" mydevice "post/$stage: one directory, of the same name in all"
	is "$(git rev-list --merges "post/$stage" | wc -l)" 0 "post/$stage: one commit after the other"
	is "$(for c in $(new_commits "$stage"); do git show -s --format=%s "$c"; done)" "$(subjects "$stage")" \
		"post/$stage: on top of the last post's its own, or a commit for each step"
	is "$(for c in $(new_commits "$stage"); do git show -s --format='%an %cn %at %ct' "$c"; done | sort -u)" \
		"$(git show -s --format='%an %an %at %at' "post/$stage")" "post/$stage: with one name and one time"
	[ -d "docs/series/$stage" ] || is "$(git show -s --format=%b "post/$stage")" "$(awk 'NR > 2 && /^$/ { exit } NR > 2' "docs/$stage.md")" \
		"post/$stage: the post's summary is the message"
	parent=$(git rev-parse "post/$stage")
done
last=${stages##* }
ok "the last branch checked out builds what the last stage builds" sh -c "
	git worktree add -q ../tree post/$last && diff -r ../tree/mydevice $last"
git worktree remove --force ../tree

made=$(posts)
mkdir ../tmp
is "$(TMPDIR=$work/tmp common/branches 2>/dev/null | :; ls ../tmp)" "" "what nobody reads leaves nothing in /tmp"
ok "a second time" common/branches
is "$(posts)" "$made" "the same commits again"
git for-each-ref --format='delete %(refname)' refs/heads/post/ | git update-ref --stdin
ok "again, after they were deleted, by somebody else elsewhere" env TZ=Asia/Tokyo GIT_AUTHOR_NAME=x GIT_COMMITTER_NAME=x common/branches
is "$(posts)" "$made" "the same commits again"

first=${stages%% *}
git worktree add -q ../tree "post/$first"
git -C ../tree commit -q --allow-empty -m 'work of my own'
own=$(posts)
ok "refuses over a commit of the reader's on such a branch" refuses 'work that make branches did not make'
is "$(posts)" "$own" "and changes none of the branches"
git -C ../tree reset -q --hard HEAD~
git -C ../tree commit -q --amend --allow-empty --no-edit
ok "refuses over a commit that the reader amended" refuses 'work that make branches did not make'
git update-ref "refs/heads/post/$first" "$(printf '%s\n' "$made" | head -n 1 | cut -d ' ' -f 1)"
git -C ../tree reset -q --hard

echo '/* changed */' >>"$last/mydevice.h"
has "$(common/branches 2>&1)" 'made from the last commit' "says that changes which are not committed are left out"
is "$(posts)" "$made" "and leaves them out"
git checkout -q "$last/mydevice.h"
echo '/* changed */' >>"$first/mydevice.h"
git commit -qam 'the first stage is changed'
ok "refuses to move a branch that is checked out" refuses 'is checked out'
is "$(posts)" "$made" "and changes none of the branches"
git worktree remove --force ../tree
ok "with the sources changed and nobody in the way" common/branches
is "$(git rev-parse "post/$first:mydevice")" "$(git rev-parse "HEAD:$first")" "the branches follow the sources"

made=$(posts)
sed -i '1d' "docs/$first.md" && git commit -qam 'a post without a title'
ok "refuses a post without title and summary" refuses 'no title and summary'
git reset -q --hard HEAD~

# -- a series ----------------------------------------------------------------------------

# In the place of the one that is there, if one is: a file new, and all else in one step.
write_series() {
	git rm -rq --ignore-unmatch docs/series && rm -rf docs/series ../made
	git init -q ../made && cp -r "${last_but_one:?}" ../made/mydevice && git -C ../made add -Af && git -C ../made commit -qm begin &&
		echo new >../made/mydevice/extra && git -C ../made add -Af && git -C ../made commit -qm 'a first step' -m 'It has a reason.' &&
		rm -r ../made/mydevice && cp -r "$last" ../made/mydevice && git -C ../made add -Af && git -C ../made commit -qm 'a second step' &&
		common/series write ../made && git add docs/series && git commit -qm 'a series'
}

last_but_one=${stages% *}
last_but_one=${last_but_one##* }
git ls-files -z --others "$last" "$last_but_one" | xargs -0 rm -f
ok "a series of two steps" write_series
ok "becomes a branch" common/branches
is "$(git log --format=%s "post/$last_but_one..post/$last" | paste -sd ,)" 'a second step,a first step' "of these steps, and nothing else"
is "$(git show -s --format=%b "post/$last~")" 'It has a reason.' "with their messages"
is "$(git rev-parse "post/$last:mydevice")" "$(git rev-parse "HEAD:$last")" "which ends with the stage"
is "$(git rev-parse "post/$last_but_one")" "$(printf '%s\n' "$made" | sed -n "s, refs/heads/post/$last_but_one,,p")" "on top of the last post, which is what it was"
made=$(posts)
git for-each-ref --format='delete %(refname)' refs/heads/post/ | git update-ref --stdin
ok "again, after they were deleted, with settings of the reader's" env TZ=Asia/Tokyo GIT_CONFIG_COUNT=3 \
	GIT_CONFIG_KEY_0=commit.gpgSign GIT_CONFIG_VALUE_0=true GIT_CONFIG_KEY_1=am.threeWay GIT_CONFIG_VALUE_1=true \
	GIT_CONFIG_KEY_2=core.hooksPath GIT_CONFIG_VALUE_2=/nowhere common/branches
is "$(posts)" "$made" "the same commits again"

echo '/* changed */' >>"$last/mydevice.h" && git commit -qam 'the last stage is changed'
ok "refuses a series that does not end with the stage" refuses "docs/series/$last does not end with"
git reset -q --hard HEAD~
sed -i '0,/^-[^-]/s//-spoiled /' docs/series/*/0002-* && git commit -qam 'a patch is spoiled'
ok "refuses one that does not apply, and names the step" refuses "step 2 of $last does not apply: docs/series/$last/0002-a-second-step.patch"
ok "the file and the hunk" refuses 'mydevice/[^ ]*, hunk [0-9]*: @@'
is "$(posts)" "$made" "and changes none of the branches"
git reset -q --hard HEAD~
git worktree add -q ../tree "post/$last"
git -C ../tree commit -q --allow-empty -m 'work of my own'
ok "refuses over a commit of the reader's on top of the steps" refuses 'work that make branches did not make'
git worktree remove --force ../tree

mkdir ../alone && cp -r . ../alone && rm -rf ../alone/.git
ok "refuses outside of a clone" sh -c 'cd ../alone && ! common/branches'

done_testing

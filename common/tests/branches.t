#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# make branches, in a clone of this repository: are the branches what the
# directories are, and does everything else stay as it is?

top=$(cd "$(dirname "$0")/../.." && pwd -P)
. "$top/common/tests/tap.sh"
work=$top/.build/tests/branches
clone=$work/clone
# A reader's own settings, and their own name on their commits.
export GIT_CONFIG_GLOBAL="$work/config" GIT_CONFIG_NOSYSTEM=1

fresh_clone() {
	rm -rf "$work" && mkdir -p "$work" && printf '[user]\n\tname = A Reader\n\temail = reader@example.org\n' >"$work/config" &&
		git clone -q "file://$top" "$clone" && cd "$clone" && cp "$top/common/branches" common/branches
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
stages=$(echo 0*-*)
before=$(everything_else)
ok "make branches" make -s branches
is "$(everything_else)" "$before" "HEAD, index, files and other branches are as they were"
is "$(git for-each-ref --format='%(refname:short)' refs/heads/post/ | paste -sd ' ')" \
	"$(for s in $stages; do echo "post/$s"; done | paste -sd ' ')" "a branch for each stage, and no other"

parent=
for stage in $stages; do
	is "$(git rev-parse "post/$stage:mydevice")" "$(git rev-parse "HEAD:$stage")" "post/$stage: the tree is the directory's"
	is "$(git ls-tree --name-only "post/$stage")" mydevice "post/$stage: one directory, of the same name in all"
	is "$(git rev-list "post/$stage" | sed -n 2p)" "$parent" "post/$stage: one commit on top of the last post's"
	is "$(git show -s --format=%s "post/$stage")" "$(sed -n '1s/^# //p' "docs/$stage.md")" "post/$stage: the post's title is the subject"
	is "$(git show -s --format=%b "post/$stage")" "$(awk 'NR > 2 && /^$/ { exit } NR > 2' "docs/$stage.md")" "post/$stage: its summary is the message"
	parent=$(git rev-parse "post/$stage")
done
last=${stages##* }
ok "the last branch checked out builds what the last stage builds" sh -c "
	git worktree add -q ../tree post/$last && diff -r ../tree/mydevice $last"
git worktree remove --force ../tree

made=$(posts)
ok "a second time" common/branches
is "$(posts)" "$made" "the same commits again"
git for-each-ref --format='delete %(refname)' refs/heads/post/ | git update-ref --stdin
ok "again, after they were deleted, by somebody else elsewhere" env TZ=Asia/Tokyo GIT_AUTHOR_NAME=x GIT_COMMITTER_NAME=x common/branches
is "$(posts)" "$made" "the same commits again"

first=${stages%% *}
git worktree add -q ../tree "post/$first"
git -C ../tree commit -q --allow-empty -m 'work of my own'
own=$(posts)
ok "refuses over a commit of the reader's on such a branch" refuses 'work that was not made here'
is "$(posts)" "$own" "and changes none of the branches"
git -C ../tree reset -q --hard HEAD~
git -C ../tree commit -q --amend --allow-empty --no-edit
ok "refuses over a commit that the reader amended" refuses 'work that was not made here'
git update-ref "refs/heads/post/$first" "$(printf '%s\n' "$made" | head -n 1 | cut -d ' ' -f 1)"
git -C ../tree reset -q --hard

echo '/* changed */' >>"$last/mydevice.h"
has "$(common/branches 2>&1)" 'made from the last commit' "says that changes which are not committed are left out"
is "$(posts)" "$made" "and leaves them out"
echo '/* changed */' >>"$first/mydevice.h"
git commit -qam 'the first stage is changed'
ok "refuses to move a branch that is checked out" refuses 'is checked out'
is "$(posts)" "$made" "and changes none of the branches"
git worktree remove --force ../tree
ok "with the sources changed and nobody in the way" common/branches
is "$(git rev-parse "post/$last:mydevice")" "$(git rev-parse "HEAD:$last")" "the branches follow the sources"

sed -i '1d' "docs/$last.md" && git commit -qam 'a post without a title'
ok "refuses a post without title and summary" refuses 'no title and summary'
mkdir ../alone && cp -r . ../alone && rm -rf ../alone/.git
ok "refuses outside of a clone" sh -c 'cd ../alone && ! common/branches'

done_testing

-- SPDX-License-Identifier: GPL-2.0
--
-- The weak variants of the last stage that the hostile peers beat: what each patch in
-- common/tests/hostile/weak changes, beside the right code, and which attack wins.

local source = require 'source'
local html = require 'html'

local weak = {}
local patches = 'common/tests/hostile/weak/'
local cases = 'common/tests/hostile/cases/'
local near = 2		-- lines that are shown around a change

-- The names of all patches that there are.
function weak.names()
	local names = {}
	local pipe = assert(io.popen('ls ' .. patches))
	for file in pipe:lines() do
		names[#names + 1] = file:match('^(.*)%.patch$')
	end
	pipe:close()
	return names
end

-- What a case says of itself: the comment below its licence, without its number.
local function purpose(case)
	local text = {}
	for n, line in ipairs(source.read(cases .. case) or {}) do
		if n > 1 then
			if not line:match('^# ') then
				break
			end
			text[#text + 1] = line:sub(3)
		end
	end
	return #text > 0 and table.concat(text, ' '):gsub('^%d+: ', '') or nil
end

-- The head of a patch: what the variant does, in text, and who beats it: { { case,
-- case... }, purpose, what is seen }.
local function head(lines)
	local text, beaten = {}, {}
	for n, line in ipairs(lines) do
		local case, seen = line:match('^#: case (%S+) (.*)')
		if case then
			local why = purpose(case)
			if not why then
				return nil, nil, 'there is no case ' .. case .. ' that says what it is for'
			end
			local last = beaten[#beaten]
			if last and last[2] == why and last[3] == seen then
				table.insert(last[1], case)
			else
				beaten[#beaten + 1] = { { case }, why, seen }
			end
		elseif line:match('^%-%-%- ') then
			break
		elseif n > 1 and line ~= '' then
			text[#text + 1] = line
		end
	end
	return table.concat(text, ' '), beaten, #beaten == 0 and 'it names no case' or nil
end

local function output(command)
	local pipe = assert(io.popen(command .. ' 2>&1'))
	local said = pipe:read('a')
	return pipe:close(), said
end

-- The stage's files with the patch applied, by name.
local function variant(stage, path)
	local _, tree = output('mktemp -d')
	tree = tree:match('[^\n]*')
	local done, said = output(string.format('cp %s/*.[ch] %s/*.sh %s && patch -s -f -d %s -p1 <%s', stage, stage, tree, tree, path))
	local files = {}
	for _, file in ipairs(done and source.files or {}) do
		files[file] = source.read(tree .. '/' .. file)
	end
	output('rm -r ' .. tree)
	return done and files, said
end

-- Lines of a definition in pieces of { right's lines, weak's lines, are they the same };
-- those far from any change are left out.
local function pieces(ops)
	local shown, found, gap = {}, {}, false
	for n, op in ipairs(ops) do
		for m = n - near, n + near do
			shown[m] = shown[m] or op[1] ~= ' '
		end
	end
	local function piece(same)
		local last = found[#found]
		if not last or last[3] ~= same then
			last = { {}, {}, same }
			found[#found + 1] = last
		end
		return last
	end
	local function both(line)
		local last = piece(true)
		table.insert(last[1], line)
		table.insert(last[2], line)
	end
	for n, op in ipairs(ops) do
		if op[1] ~= ' ' then
			table.insert(piece(false)[op[1] == '-' and 1 or 2], op[2])
		elseif not shown[n] then
			gap = #found > 0
		elseif #found > 0 or op[2] ~= '' then
			if gap then
				both('⋯')
			end
			both(op[2])
			gap = false
		end
	end
	return found
end

local class = { 'right', 'weak' }

-- One of the two: its heading, and its pieces, each in the row of the other's.
local function column(of, title, found)
	local out = { string.format('<p class="%s" style="grid-row: 1">%s</p>', class[of], title) }
	for row, piece in ipairs(found) do
		if #piece[of] > 0 then
			out[#out + 1] = string.format('<pre class="%s%s" style="grid-row: %d"><code>%s</code></pre>', class[of],
				piece[3] and '' or ' changed', row + 1, html.escape(table.concat(piece[of], '\n')))
		end
	end
	return table.concat(out, '\n')
end

-- The file and the name of what is right, and the definition if there is one.
local function title(change)
	local there = source.find(source.definitions(change.right), change.name)
	if not there then
		return string.format('right: %s has nothing of the kind', change.file)
	end
	local name = change.name:match('^[%w_ ]+$')	-- lines of a script have none
	return string.format('right: %s%s', change.file, name and ', ' .. name or ''), there
end

local function same_in(change)
	return change.also and '; the same in ' .. table.concat(change.also, ' and ') or ''
end

-- A change as HTML, right and weak beside each other, with a link to what is right.
function weak.beside(change)
	local text, there = title(change)
	if there then
		text = string.format('<a href="source:%s/%s#%d">%s</a>', change.stage, change.file, there.first, text)
	end
	return string.format('<div class="pair">\n%s\n%s\n</div>',
		column(1, text .. same_in(change), change.pieces), column(2, 'weak', change.pieces))
end

local function folded(text)
	local pipe = assert(io.popen("fold -s -w 90 <<'END' | sed 's/ *$//'\n" .. text .. '\nEND'))
	local lines = pipe:read('a')
	pipe:close()
	return lines
end

-- All of a variant as plain text: what it does, who beats it, and its changes as a diff.
function weak.text(text, changes, beaten)
	local out = { folded(text) }
	for _, by in ipairs(beaten) do
		out[#out + 1] = folded(string.format('Beaten by %s: %s Seen: %s', table.concat(by[1], ' and '), by[2], by[3]))
	end
	for _, change in ipairs(changes) do
		out[#out + 1] = string.format('@@ %s%s @@', title(change), same_in(change))
		for _, piece in ipairs(change.pieces) do
			for of, sign in ipairs(piece[3] and { ' ' } or { '-', '+' }) do
				for _, line in ipairs(piece[of]) do
					out[#out + 1] = sign .. line
				end
			end
		end
		out[#out + 1] = ''
	end
	return (table.concat(out, '\n'):gsub('\n+$', ''))
end

-- What a change is at either end.
local function at_either_end(change)
	local text = { (change.name:gsub('mydevice%l+', '')) }
	for _, piece in ipairs(change.pieces) do
		text[#text + 1] = table.concat(piece[1], '\n') .. '\0' .. table.concat(piece[2], '\n')
	end
	return table.concat(text, '\0'):gsub('mydevice%l+_', '')
end

-- All changes of a variant; what is changed in the same way in two files is there once.
local function all_changes(stage, files)
	local found, seen = {}, {}
	for _, file in ipairs(source.files) do
		for _, change in ipairs(files[file] and source.changes(source.read(stage .. '/' .. file), files[file]) or {}) do
			change.file, change.pieces = file, pieces(change.ops)
			change.stage, change.right = stage, source.read(stage .. '/' .. file)
			local what = at_either_end(change)
			if seen[what] then
				seen[what].also = seen[what].also or {}
				table.insert(seen[what].also, file)
			elseif change.name ~= 'includes' then
				seen[what] = change
				found[#found + 1] = change
			end
		end
	end
	return found
end

-- weak.variant(NAME): its text, its changes, and who beats it; or nil and what is wrong.
function weak.variant(name)
	local stages = source.stages()
	local stage = stages[#stages]
	local path = patches .. name .. '.patch'
	local lines = source.read(path)
	if not lines then
		return nil, 'there is no file ' .. path
	end
	local text, beaten, wrong = head(lines)
	if wrong then
		return nil, path .. ': ' .. wrong
	end
	local files, said = variant(stage, path)
	if not files then
		return nil, path .. ' does not fit ' .. stage .. ': ' .. said
	end
	local changes = all_changes(stage, files)
	if #changes == 0 then
		return nil, path .. ' changes nothing'
	end
	return text, changes, beaten
end

return weak

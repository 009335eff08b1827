-- SPDX-License-Identifier: GPL-2.0
--
-- Sources as the text needs them: a file's lines, its definitions by name, and
-- what a stage changed in each definition of the stage before it.

local source = {}

function source.read(path)
	local file = io.open(path, 'rb')
	if not file then
		return nil
	end
	local lines = {}
	for line in file:lines() do
		lines[#lines + 1] = line
	end
	file:close()
	return lines
end

-- The stages, in order: the directories at the top that begin with a digit.
function source.stages()
	local stages = {}
	for name in io.popen('printf "%s\\n" [0-9][0-9]-*'):lines() do
		stages[#stages + 1] = name
	end
	return stages
end

-- The files of a stage; not every stage has all of them.
source.files = { 'mydevice.h', 'mydevicestream.c', 'mydevicefront.c', 'mydeviceback.c', 'mydevicepeer.c',
	'mydevicepeerstream.c', 'mydevicebus.c', 'mydevicebus.h', 'activate.sh', 'deactivate.sh', 'Kbuild', 'Makefile' }

-- Whether a line of C begins inside a comment, and how many braces are open: with
-- these two one sees where a definition ends.
local function follow(line, state)
	if not state.comment then
		line = line:gsub('\\.', ''):gsub('"[^"]*"', ''):gsub("'[^']*'", '')
	end
	local at = 1
	while at <= #line do
		if state.comment then
			local _, e = line:find('*/', at, true)
			if not e then
				return
			end
			state.comment = false
			at = e + 1
		else
			at = line:find('[{}/]', at)
			if not at then
				return
			end
			local two, one = line:sub(at, at + 1), line:sub(at, at)
			if two == '/*' and line:sub(at, at + 2) ~= '/*/' then	-- that is a path, in a Makefile
				state.comment = true
				at = at + 1
			elseif two == '//' then
				return
			elseif one == '{' then
				state.depth = state.depth + 1
			elseif one == '}' then
				state.depth = state.depth - 1
			end
			at = at + 1
		end
	end
end

-- What a definition is called: the function, struct, macro or variable that it
-- defines; a comment by its heading; declarations of functions by what they are.
local function name_of(lines, first, last)
	local word, body
	if lines[first]:match('^ %* %S') then		-- a section of a long comment
		return lines[first]:match('^ %* (.*)')
	end
	for n = first, last do
		body = body or lines[n]:match('{$')
	end
	for n = first, last do
		local line = lines[n]
		if line:match('^#include') then
			return 'includes'
		end
		word = word or line:match('^#define%s+([%w_]+)') or line:match('^#ifn?d?e?f?%s+([%w_]+)')
		if line:match('^#define.*\\$') then
			return word
		end
		if line:match('^[%a_]') and not line:match('^__printf%(') then
			local kind, tag = line:match('^(%a+) ([%w_]+) {')
			if not body and line:match('^static .*[%w_]+%(.*[,;]$') and not line:match('%([%w_]*%);') then
				return 'prototypes'
			end
			return kind == 'struct' and 'struct ' .. tag
				or kind == 'enum' and 'enum ' .. tag
				or line:match('^enum { ([%w_]+)')
				or line == 'enum {' and lines[n + 1]:match('[%w_]+')
				or line:match('([%w_]+)%[?[%w_]*%]? =%s*')
				or line:match('([%w_]+)%[?[%w_]*%]?;$')
				or line:match('([%w_]+)%(')
				or line:match('^([%w_-]+)%s*[:?+]?=')
				or line:match('^([%w_-]+):')
				or line
		end
	end
	return word or (first == 1 and 'header') or lines[first]
end

-- The definitions of a file, in order: { name, first, last }. A definition begins
-- at its comment and ends at the next empty line that is in no comment and
-- between no braces.
local function find_definitions(lines)
	local defs, state = {}, { comment = false, depth = 0 }
	local seen, first = {}, nil
	local function close(last)
		if not first then
			return
		end
		local name = name_of(lines, first, last)
		local before = defs[#defs]
		if name:match('^/%* %-%- .*%-%- %*/$') then
			first = nil	-- a line between two sections defines nothing
			return
		end
		if name == 'includes' and before and before.name == name then
			before.last = last
		else
			seen[name] = (seen[name] or 0) + 1
			if seen[name] > 1 then
				name = name .. ' (' .. seen[name] .. ')'
			end
			defs[#defs + 1] = { name = name, first = first, last = last }
		end
		first = nil
	end
	for n, line in ipairs(lines) do
		local heading = state.comment and (lines[n + 1] or ''):match('^ %* ==+$')
		local inside = state.comment or state.depth > 0
		if line == '' and not inside then
			close(n - 1)
		else
			if heading or (n == #lines and line:match('^#endif')) or (line:match('^#') and (lines[n - 1] or ''):match('%*/$')
				and lines[n - 1]:match('^ %*/') and not line:match('^#define')) then
				close(n - 1)
			end
			first = first or n
		end
		follow(line, state)
	end
	close(#lines)
	return defs
end

-- A file may be asked for many times, and is the same in many steps.
local known = {}
function source.definitions(lines)
	local text = table.concat(lines, '\n')
	known[text] = known[text] or find_definitions(lines)
	return known[text]
end

function source.find(defs, name)
	for _, def in ipairs(defs) do
		if def.name == name then
			return def
		end
	end
end

-- The first and the last line of what is asked for: a definition, or part of
-- the file or the definition, from the one line that holds a text to the next
-- that holds another, or to what stands before that. Returns nil and what is wrong.
function source.part(lines, want)
	local first, last = 1, #lines
	if want.name then
		local def = source.find(source.definitions(lines), want.name)
		if not def then
			return nil, "it defines no '" .. want.name .. "'"
		end
		first, last = def.first, def.last
	end
	if want.from then
		local at
		for n = first, last do
			if lines[n]:find(want.from, 1, true) then
				if at then
					return nil, "more than one line has '" .. want.from .. "'"
				end
				at = n
			end
		end
		if not at then
			return nil, "no line has '" .. want.from .. "'"
		end
		first = at
	end
	local stop, at = want.to or want.before, nil
	for n = first + 1, stop and last or 0 do
		at = at or lines[n]:find(stop, 1, true) and n
	end
	if stop and not at then
		return nil, "no line after the first one has '" .. stop .. "'"
	end
	last = at and (want.to and at or at - 1) or last
	while lines[last] == '' do
		last = last - 1
	end
	return first, last
end

-- The longest common subsequence of two lists of lines, as a list of
-- { ' ', '+' or '-', text, line in the new file }. Most definitions are the same, or begin
-- alike: the table is for the rest.
local function compare(old, new)
	local length, same = {}, 0
	while same < #old and same < #new and old[same + 1] == new[same + 1] do
		same = same + 1
	end
	for i = #old + 1, same + 1, -1 do
		length[i] = {}
		for j = #new + 1, same + 1, -1 do
			if i > #old or j > #new then
				length[i][j] = 0
			elseif old[i] == new[j] then
				length[i][j] = length[i + 1][j + 1] + 1
			else
				length[i][j] = math.max(length[i + 1][j], length[i][j + 1])
			end
		end
	end
	local ops, i, j = {}, 1, 1
	while i <= #old or j <= #new do
		if i <= #old and j <= #new and old[i] == new[j] then
			ops[#ops + 1] = { ' ', new[j], j }
			i, j = i + 1, j + 1
		elseif i <= #old and (j > #new or length[i + 1][j] >= length[i][j + 1]) then
			ops[#ops + 1] = { '-', old[i] }
			i = i + 1
		else
			ops[#ops + 1] = { '+', new[j], j }
			j = j + 1
		end
	end
	return ops
end

-- The operations within some lines of a change; false stands for each run of others.
function source.near_changes(ops, near)
	local close, shown = {}, {}
	for n, op in ipairs(ops) do
		for m = n - near, n + near do
			close[m] = close[m] or op[1] ~= ' '
		end
	end
	for n, op in ipairs(ops) do
		if close[n] then
			shown[#shown + 1] = op
		elseif shown[#shown] ~= false then
			shown[#shown + 1] = false
		end
	end
	return shown
end

local function slice(lines, def)
	local part = {}
	if def then
		table.move(lines, def.first, def.last, 1, part)
	end
	return part
end

-- What a stage changed in a file, by definition and in the order of the new
-- file; a definition that is gone comes last. { name, ops, first }
function source.changes(old_lines, new_lines)
	local old_defs = source.definitions(old_lines)
	local new_defs = source.definitions(new_lines)
	local changes = {}
	local function add(name, old, new)
		local ops = compare(slice(old_lines, old), slice(new_lines, new))
		for _, op in ipairs(ops) do
			if op[1] ~= ' ' then
				changes[#changes + 1] = { name = name, ops = ops, first = new and new.first }
				return
			end
		end
	end
	for _, new in ipairs(new_defs) do
		add(new.name, source.find(old_defs, new.name), new)
	end
	for _, old in ipairs(old_defs) do
		if not source.find(new_defs, old.name) then
			add(old.name, old, nil)
		end
	end
	return changes
end

return source

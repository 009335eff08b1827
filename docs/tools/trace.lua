-- SPDX-License-Identifier: GPL-2.0
--
-- What xbwatch printed while two ends spoke with each other, as a sequence chart, in
-- the language of mscgen and as text. XenStore is between the ends: a node is an arrow to it; a
-- state goes on to the other end, which watches it.

local trace = {}

local numbers = { Initialising = 1, InitWait = 2, Initialised = 3, Connected = 4, Closing = 5, Closed = 6,
	Reconfiguring = 7, Reconfigured = 8 }
local column = { frontend = 'f', backend = 'b' }
local colour = { frontend = '#1f5fa8', backend = '#a05a00' }

-- A line of xbwatch's: { at, device, side, node, value }, or nothing if it is none.
local function event(line)
	local at, device, side, rest = line:match('^%s+(%d+%.%d+)%s+(%S+)%s+(%a+end)%s+(.*)$')
	if not at or rest:match('^is in domain') then
		return
	end
	local found = { at = tonumber(at), device = device, side = side }
	if rest:match('^is removed: ') then
		found.gone = true
		return found
	end
	found.node, found.value = rest:match('^(%S+)%s+(.*)$')
	found.value = found.value:match('^.- %-> (.*)$') or found.value
	return found
end

-- The states that there were at the start, by side, and all that came then.
function trace.events(lines)
	local start, events, device = {}, {}, nil
	for _, line in ipairs(lines) do
		local e = event(line)
		if e and device and e.device ~= device then
			return nil, 'it has two devices, ' .. device .. ' and ' .. e.device
		end
		device = e and e.device or device
		if e and e.at > 0 then
			events[#events + 1] = e
		elseif e and e.node == 'state' then
			start[e.side] = e.value
		end
	end
	if #events == 0 then
		return nil, 'xbwatch saw nothing'
	end
	return start, events
end

-- The text of a block, a line each: what an end does before it writes, or who else
-- wrote there.
--
--     frontend version: picks a version
--     backend Closing by deactivate.sh
local function remarks(text)
	local all = {}
	for line in text:gmatch('[^\n]+') do
		local side, what, before = line:match('^(%a+end) ([^%s:]+): (.+)$')
		local side_of_other, what_of_other, other = line:match('^(%a+end) ([^%s:]+) by (.+)$')
		if not side and not side_of_other then
			return nil, "'" .. line .. "' is no remark"
		end
		all[#all + 1] = { side = side or side_of_other, what = what or what_of_other,
			before = before, other = other }
	end
	return all
end

-- The remarks that are for this event. Each is for the first that it fits.
local function take(all, e)
	local before, other = {}, nil
	for _, remark in ipairs(all) do
		local fits = remark.side == e.side and
			(remark.what == e.node or e.node == 'state' and remark.what == e.value)
		if fits and not remark.taken then
			remark.taken = true
			before[#before + 1] = remark.before
			other = other or remark.other
		end
	end
	return before, other
end

local function escape(text)
	return (text:gsub('[\\"]', '?'))
end

local function state(value)
	return string.format('state = %s %s', numbers[value] or '?', value)
end

local function arrow(from, to, label, side)
	return { from = from, to = to, label = label, side = side }
end

local function box(kind, at, label, side)
	return { kind = kind, at = at, label = label, side = side }
end

-- What stands in one row of the chart: arrows, or a box.
local function drawn(e, other)
	local from, to = column[e.side], e.side == 'frontend' and 'b' or 'f'
	if e.gone then
		return { box('box', 'x', e.side .. ' removed') }
	elseif e.node ~= 'state' then
		local label = e.node .. ' = ' .. e.value
		return { other and box('box', 'x', label) or arrow(from, 'x', label, e.side) }
	elseif other then
		return { arrow('x', to, state(e.value)) }
	end
	return { arrow(from, 'x', state(e.value), e.side), arrow('x', to, nil, e.side) }
end

-- The chart of a trace with these remarks, row by row; or nothing, and why.
function trace.rows(lines, text)
	local start, events = trace.events(lines)
	if not start then
		return nil, events
	end
	local all, wrong = remarks(text)
	if not all then
		return nil, wrong
	end
	local out = {}
	if start.frontend and start.backend then
		out[1] = { box('rbox', 'f', start.frontend, 'frontend'), box('rbox', 'b', start.backend, 'backend') }
	end
	local last
	for _, e in ipairs(events) do
		local before, other = take(all, e)
		for _, remark in ipairs(before) do
			out[#out + 1] = { box('note', column[e.side], remark, e.side) }
		end
		if other and other ~= last then
			out[#out + 1] = { box('note', 'x', other) }
		end
		last = other
		out[#out + 1] = drawn(e, other)
	end
	for _, remark in ipairs(all) do
		if not remark.taken then
			return nil, string.format("the %s did not write '%s'", remark.side, remark.what)
		end
	end
	return out
end

-- -- in the language of mscgen -----------------------------------------------------

-- Of the texts that stand between two columns.
local function longest(rows, beside)
	local most = 0
	for _, row in ipairs(rows) do
		for _, item in ipairs(row) do
			most = math.max(most, #(item.label or '') + (item.kind and beside or 0))
		end
	end
	return most
end

local function item_of_msc(item)
	local how = string.format('linecolour="%s"', colour[item.side] or 'black')
	if item.label then
		how = string.format('label="%s", %s', escape(item.label), how)
	end
	if item.kind then
		return string.format('%s %s %s [%s]', item.at, item.kind, item.at, how)
	end
	return string.format('%s=>%s [%s]', item.from, item.to, how)
end

-- No wider than the texts want: it has to fit on a phone. (mscgen's 1 is 600 pixels.)
local function head(rows)
	return string.format('msc {\nhscale="%.2f", arcgradient="0";\n' ..
		'f [label="frontend", linecolour="%s"], x [label="XenStore"], b [label="backend", linecolour="%s"];\n',
		3 * (6.8 * longest(rows, 3) + 16) / 600, colour.frontend, colour.backend)
end

function trace.msc(rows)
	local out = {}
	for n, row in ipairs(rows) do
		local items = {}
		for m, item in ipairs(row) do
			items[m] = item_of_msc(item)
		end
		out[n] = table.concat(items, ', ') .. ';'
	end
	return head(rows) .. table.concat(out, '\n') .. '\n}\n'
end

-- -- as text -----------------------------------------------------------------------

-- A line with a text put over it, which begins in a column.
local function over(line, at, text)
	return line:sub(1, at - 1) .. text .. line:sub(at + #text)
end

local function centred(line, at, text)
	return over(line, at - #text // 2, text)
end

-- From one column to another, with the text nearer to where it begins.
local function arrow_over(line, from, to, label)
	local length = math.abs(to - from) - 1
	local text = label and ' ' .. label .. ' ' or ''
	if from < to then
		return over(line, from + 1, '--' .. text .. ('-'):rep(length - #text - 3) .. '>')
	end
	return over(line, to + 1, '<' .. ('-'):rep(length - #text - 3) .. text .. '--')
end

function trace.text(rows)
	local apart = longest(rows, 0) + 8
	local at = { f = apart // 2, x = apart // 2 + apart, b = apart // 2 + 2 * apart }
	local empty = (' '):rep(at.b + apart // 2)
	local columns = centred(centred(centred(empty, at.f, '|'), at.x, '|'), at.b, '|')
	local out = { centred(centred(centred(empty, at.f, 'frontend'), at.x, 'XenStore'), at.b, 'backend'), columns }
	for _, row in ipairs(rows) do
		local line = columns
		for _, item in ipairs(row) do
			line = item.kind and centred(line, at[item.at], '[ ' .. item.label .. ' ]')
				or arrow_over(line, at[item.from], at[item.to], item.label)
		end
		out[#out + 1] = line
	end
	out[#out + 1] = columns
	for n, line in ipairs(out) do
		out[n] = line:gsub('%s+$', '')
	end
	return table.concat(out, '\n')
end

return trace

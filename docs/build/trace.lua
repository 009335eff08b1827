-- SPDX-License-Identifier: GPL-2.0
--
-- What xbwatch printed while two ends spoke with each other, as a sequence chart in
-- the language of mscgen. XenStore is between the ends: a node is an arrow to it; a
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

local longest	-- of the texts that stand between two columns

local function arrow(from, to, label, side)
	longest = math.max(longest, #label)
	return string.format('%s=>%s [label="%s", linecolour="%s"]', from, to, escape(label),
		colour[side] or 'black')
end

local function box(kind, at, label, side)
	longest = math.max(longest, #label + 3)
	return string.format('%s %s %s [label="%s", linecolour="%s"]', at, kind, at, escape(label),
		colour[side] or 'black')
end

local function drawn(e, other)
	local from, to = column[e.side], e.side == 'frontend' and 'b' or 'f'
	if e.gone then
		return box('box', 'x', e.side .. ' removed')
	elseif e.node ~= 'state' then
		local label = e.node .. ' = ' .. e.value
		return other and box('box', 'x', label) or arrow(from, 'x', label, e.side)
	elseif other then
		return arrow('x', to, state(e.value))
	end
	return arrow(from, 'x', state(e.value), e.side) .. ', ' ..
		string.format('x=>%s [linecolour="%s"]', to, colour[e.side])
end

-- No wider than the texts want: it has to fit on a phone. (mscgen's 1 is 600 pixels.)
local function head()
	return string.format('msc {\nhscale="%.2f", arcgradient="0";\n' ..
		'f [label="frontend", linecolour="%s"], x [label="XenStore"], b [label="backend", linecolour="%s"];\n',
		3 * (6.8 * longest + 16) / 600, colour.frontend, colour.backend)
end

-- The chart of a trace with these remarks; or nothing, and why.
function trace.chart(lines, text)
	local start, events = trace.events(lines)
	if not start then
		return nil, events
	end
	local all, wrong = remarks(text)
	if not all then
		return nil, wrong
	end
	longest = 0
	local out = {}
	local function row(...)
		out[#out + 1] = table.concat({ ... }, ', ') .. ';'
	end
	if start.frontend and start.backend then
		row(box('rbox', 'f', start.frontend, 'frontend'), box('rbox', 'b', start.backend, 'backend'))
	end
	local last
	for _, e in ipairs(events) do
		local before, other = take(all, e)
		for _, remark in ipairs(before) do
			row(box('note', column[e.side], remark, e.side))
		end
		if other and other ~= last then
			row(box('note', 'x', other))
		end
		last = other
		row(drawn(e, other))
	end
	for _, remark in ipairs(all) do
		if not remark.taken then
			return nil, string.format("the %s did not write '%s'", remark.side, remark.what)
		end
	end
	return head() .. table.concat(out, '\n') .. '\n}\n'
end

return trace

-- SPDX-License-Identifier: GPL-2.0
--
-- Two stages side by side, file by file: what is not the same, with some lines
-- around it.
--
-- pandoc -t html5 --lua-filter=docs/tools/side.lua -M stage=STAGE /dev/null

package.path = 'docs/tools/?.lua;' .. package.path
local source = require 'source'
local html = require 'html'

local near = 8		-- lines that are shown around a change

-- All lines of both files: { ' ', '-' or '+', text, number in the old, in the new }.
local function lines(old, new)
	local found, a, b, body = {}, 0, 0, false
	local pipe = assert(io.popen(string.format('diff --minimal -N -U 100000 %s %s', old, new)))
	for line in pipe:lines() do
		local op = line:sub(1, 1)
		if body and op ~= '\\' then
			a, b = a + (op == '+' and 0 or 1), b + (op == '-' and 0 or 1)
			found[#found + 1] = { op, line:sub(2), op ~= '+' and a, op ~= '-' and b }
		end
		body = body or line:match('^@@')
	end
	pipe:close()
	return found
end

local function shown(all)
	local near_change = {}
	for n, line in ipairs(all) do
		for m = n - near, n + near do
			near_change[m] = near_change[m] or line[1] ~= ' '
		end
	end
	return near_change
end

local function cells(number, text)
	return string.format('<td class="number">%s</td><td>%s</td>', number or '', number and html.escape(text) or '')
end

local class = { ['+'] = 'added', ['-'] = 'removed', [' '] = 'kept' }

local function rows(all)
	local out, visible, left_out = {}, shown(all), false
	for n, line in ipairs(all) do
		if visible[n] then
			out[#out + 1] = string.format('<tr class="%s">%s%s</tr>', class[line[1]],
				cells(line[3], line[2]), cells(line[4], line[2]))
		elseif not left_out then
			out[#out + 1] = '<tr class="left-out"><td></td><td>⋯</td><td></td><td>⋯</td></tr>'
		end
		left_out = not visible[n]
	end
	return table.concat(out, '\n')
end

local function previous(stage)
	local before
	for _, name in ipairs(source.stages()) do
		if name == stage then
			return before
		end
		before = name
	end
end

function Pandoc(doc)
	local stage = pandoc.utils.stringify(doc.meta.stage)
	local before = previous(stage)
	local blocks = { pandoc.Para { pandoc.Link('The same, change by change and with reasons', stage .. '-diff.html') } }
	for _, file in ipairs(source.files) do
		local new = stage .. '/' .. file
		local all = source.read(new) and lines(before .. '/' .. file, new) or {}
		if #all > 0 then
			blocks[#blocks + 1] = pandoc.Header(2, { pandoc.Code(file) }, pandoc.Attr(file))
			blocks[#blocks + 1] = pandoc.RawBlock('html', string.format(
				'<div class="scroll"><table class="beside"><thead><tr><th></th><th scope="col">%s</th><th></th>' ..
				'<th scope="col">%s</th></tr></thead>\n<tbody>\n%s\n</tbody></table></div>',
				before, stage, rows(all)))
		end
	end
	return pandoc.Pandoc(blocks, doc.meta)
end

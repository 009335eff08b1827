-- SPDX-License-Identifier: GPL-2.0
--
-- Pieces of HTML that pandoc has no element for.

local html = {}

function html.escape(text)
	return (text:gsub('[&<>"]', { ['&'] = '&amp;', ['<'] = '&lt;', ['>'] = '&gt;', ['"'] = '&quot;' }))
end

local near = 3		-- lines that are shown around a change

-- One change of a definition: its lines, those far from any change left out.
-- Their numbers are those in the new file. With a title there is no link to the file.
function html.diff(path, change, title)
	local shown = {}
	for n, op in ipairs(change.ops) do
		if op[1] ~= ' ' then
			for m = n - near, n + near do
				shown[m] = true
			end
		end
	end
	local class = { ['+'] = 'added', ['-'] = 'removed', [' '] = 'kept' }
	local out, left_out = {}, false
	for n, op in ipairs(change.ops) do
		if shown[n] then
			local number = op[3] and change.first + op[3] - 1 or ''
			out[#out + 1] = string.format('<span class="%s"><span class="number">%s</span>%s%s</span>',
				class[op[1]], number, op[1], html.escape(op[2]))
			left_out = false
		elseif not left_out then
			out[#out + 1] = '<span class="left-out"><span class="number"></span> ⋯</span>'
			left_out = true
		end
	end
	local heading = title and html.escape(title) or string.format('<a href="source:%s#%s">%s, %s</a>',
		path, change.first or 1, path, html.escape(change.name))
	return string.format('<div class="code"><p>%s</p><pre class="diff"><code>%s</code></pre></div>',
		heading, table.concat(out, '\n'))
end

return html

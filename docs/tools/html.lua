-- SPDX-License-Identifier: GPL-2.0
--
-- Pieces of HTML that pandoc has no element for.

local source = require 'source'

local html = {}

function html.escape(text)
	return (text:gsub('[&<>"]', { ['&'] = '&amp;', ['<'] = '&lt;', ['>'] = '&gt;', ['"'] = '&quot;' }))
end

html.near = 3		-- lines that are shown around a change

-- One change of a definition: its lines, those far from any change left out.
-- Their numbers are those in the new file. With a title there is no link to the file.
function html.diff(path, change, title)
	local class = { ['+'] = 'added', ['-'] = 'removed', [' '] = 'kept' }
	local out = {}
	for _, op in ipairs(source.near_changes(change.ops, html.near)) do
		if op then
			local number = op[3] and change.first + op[3] - 1 or ''
			out[#out + 1] = string.format('<span class="%s"><span class="number">%s</span>%s%s</span>',
				class[op[1]], number, op[1], html.escape(op[2]))
		else
			out[#out + 1] = '<span class="left-out"><span class="number"></span> ⋯</span>'
		end
	end
	local heading = title and html.escape(title) or string.format('<a href="source:%s#%s">%s, %s</a>',
		path, change.first or 1, path, html.escape(change.name))
	return string.format('<div class="code"><p>%s</p><pre class="diff"><code>%s</code></pre></div>',
		heading, table.concat(out, '\n'))
end

return html

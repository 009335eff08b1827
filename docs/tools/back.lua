-- SPDX-License-Identifier: GPL-2.0
--
-- A page of source code: above it, links to the pages that show something of the file, or to the
-- post of its stage if none does. A reader who followed a link to a line finds back there.
--
-- Metadata: title (the file), contents (the table of all pages), html (where the pages are)

package.path = 'docs/tools/?.lua;' .. package.path
local links = require 'links'

local function shows(path, file)
	local page = assert(io.open(path))
	local text = page:read('a')
	page:close()
	return text:find('href="source/' .. file .. '.html#', 1, true)
end

local function link(page)
	local title = (page.post and page.number .. ' · ' or '') .. page.title
	return pandoc.Link(title, '../../' .. page.url)
end

local function way_back(pages, html, file)
	local out = pandoc.List {}
	for _, page in ipairs(pages) do
		if shows(html .. '/' .. page.url, file) then
			out:extend { pandoc.Str(#out == 0 and 'Shown in: ' or ', '), link(page) }
		end
	end
	return #out > 0 and out or { pandoc.Str 'Belongs to: ', link(pages[file:match('^[^/]*') .. '.md']) }
end

function Pandoc(doc)
	local of = function(key) return pandoc.utils.stringify(doc.meta[key]) end
	doc.blocks:insert(1, pandoc.Para(way_back(links.contents(of 'contents'), of 'html', of 'title')))
	return doc
end

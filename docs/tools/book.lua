-- SPDX-License-Identifier: GPL-2.0
--
-- A page as a chapter of the book: its title becomes a heading, its identifiers
-- get its name before them, and links between pages are links within the book.
--
-- Metadata: page (its file below docs/), contents (the table of all pages)

package.path = 'docs/tools/?.lua;' .. package.path
local links = require 'links'

local page, pages

local function own(id)
	return id ~= '' and pages[page].id .. '--' .. id or ''
end

local function header(element)
	element.identifier = own(element.identifier)
	return element
end

-- The book holds no sources: a link to one is its text.
local function link(element)
	local to, anchor, file = links.resolve(pages, page, element.target)
	if to then
		element.target = '#' .. to.id .. (anchor ~= '' and '--' .. anchor or '')
	elseif element.target:match('^#') then
		element.target = '#' .. own(element.target:sub(2))
	elseif file then
		return pandoc.Span(element.content)
	end
	return element
end

local function raw(element)
	element.text = element.text:gsub('<a href="source:[^"]*">(.-)</a>', '%1')
	return element
end

-- On paper nothing opens.
local function fold(element)
	if element.classes:includes('fold') then
		element.content:insert(1, pandoc.Para { pandoc.Strong { pandoc.Str(element.attributes.title) } })
		element.attributes.title = nil
		return element
	end
end

function Pandoc(doc)
	page = pandoc.utils.stringify(doc.meta.page)
	pages = links.contents(pandoc.utils.stringify(doc.meta.contents))
	local body = pandoc.walk_block(pandoc.Div(doc.blocks), { Link = link, Header = header, RawBlock = raw, Div = fold })
	if pages[page].post then
		doc.meta.title:insert(1, pandoc.Str(pages[page].number .. ' · '))
	elseif pages[page].letter then
		doc.meta.title:insert(1, pandoc.Str('Appendix ' .. pages[page].letter .. ' · '))
	end
	local title = pandoc.Header(1, doc.meta.title, pandoc.Attr(pages[page].id))
	body.content:insert(1, title)
	return pandoc.Pandoc(body.content, {})
end

-- SPDX-License-Identifier: GPL-2.0
--
-- A page of the site: its links, the contents beside it, the pages before and
-- after it, and its part of the search index.
--
-- Metadata: page (its file below docs/), contents (the table of all pages), index
-- (where its part of the search index goes), book (the name of the PDF and the EPUB).

package.path = 'docs/tools/?.lua;' .. package.path
local html = require 'html'
local links = require 'links'

local page, pages

local function source_url(file, line)
	return 'source/' .. file .. '.html#line-' .. line
end

local function url(target)
	local to, anchor, file, line = links.resolve(pages, page, target)
	if to then
		return to.url .. (anchor ~= '' and '#' .. anchor or '')
	end
	return file and source_url(file, line) or target
end

local function link(element)
	element.target = url(element.target)
	return element
end

-- In HTML that was made by hand, too.
local function raw(element)
	element.text = element.text:gsub('href="(source:[^"]*)"', function(target)
		return 'href="' .. url(target) .. '"'
	end)
	return element
end

-- A table of sentences: there is no room for its columns on a phone.
local text_table = 60

-- The longest row's text; and in each cell the heading that it stands below.
local function label(element)
	local longest, headings = 0, {}
	for n, cell in ipairs(element.head.rows[1] and element.head.rows[1].cells or {}) do
		headings[n] = pandoc.utils.stringify(cell.contents)
	end
	for _, body in ipairs(element.bodies) do
		for _, row in ipairs(body.body) do
			local length = 0
			for n, cell in ipairs(row.cells) do
				length = length + #pandoc.utils.stringify(cell.contents)
				cell.attr.attributes['data-label'] = headings[n]
			end
			longest = math.max(longest, length)
		end
	end
	return longest
end

-- A table that is too wide for a phone scrolls by itself, or has its rows as lists.
local function scrolled(element)
	if label(element) > text_table and #element.colspecs <= 3 then
		element.attr.classes:insert('rows')
	end
	return pandoc.Div({ element }, pandoc.Attr('', { 'scroll' }))
end

-- Hints and answers open when a reader wants them.
local function fold(element)
	if element.classes:includes('fold') then
		element.content:insert(1, pandoc.RawBlock('html', '<details><summary>' .. element.attributes.title .. '</summary>'))
		element.content:insert(pandoc.RawBlock('html', '</details>'))
		return element.content
	end
end

-- Posts have numbers, because other pages call them by these.
local function numbered(p)
	return (p.post and p.number .. ' · ' or '') .. html.escape(p.title)
end

local function raw_block(list)
	return pandoc.MetaBlocks { pandoc.RawBlock('html', table.concat(list, '\n')) }
end

local function contents()
	local out, group = {}, nil
	for _, p in ipairs(pages) do
		if p.group ~= group then
			if group then
				out[#out + 1] = '</ul>'
			end
			group = p.group
			out[#out + 1] = '<h2>' .. html.escape(group) .. '</h2>\n<ul>'
		end
		out[#out + 1] = string.format('<li><a href="%s"%s>%s</a></li>', p.url,
			p.file == page and ' aria-current="page"' or '', numbered(p))
	end
	out[#out + 1] = '</ul>'
	return raw_block(out)
end

-- On the first page: every page with its summary.
local function overview()
	local out, group = {}, nil
	for _, p in ipairs(pages) do
		if p.file ~= page then
			if p.group ~= group then
				if group then
					out[#out + 1] = '</dl>'
				end
				group = p.group
				out[#out + 1] = '<h2>' .. html.escape(group) .. '</h2>\n<dl class="overview">'
			end
			out[#out + 1] = string.format('<dt><a href="%s">%s</a></dt><dd>%s</dd>',
				p.url, numbered(p), html.escape(p.summary))
		end
	end
	out[#out + 1] = '</dl>'
	return pandoc.RawBlock('html', table.concat(out, '\n'))
end

local function downloads(book)
	return pandoc.Para {
		pandoc.Str 'All of it is also a book: ', pandoc.Link('PDF', book .. '.pdf'),
		pandoc.Str ', ', pandoc.Link('EPUB', book .. '.epub'), pandoc.Str '.',
	}
end

local function neighbour(way, p)
	return raw_block { string.format('<a rel="%s" href="%s"><span>%s</span> %s</a>',
		way, p.url, way == 'prev' and 'Previous' or 'Next', html.escape(p.title)) }
end

-- -- search --------------------------------------------------------------------

-- Quotation marks as a terminal has them.
local plain_marks = { ['‘'] = "'", ['’'] = "'", ['“'] = '"', ['”'] = '"', ['…'] = '...' }

local function string_of(text)
	for mark, plain in pairs(plain_marks) do
		text = text:gsub(mark, plain)
	end
	text = text:gsub('%s+', ' '):gsub('[\\"]', '\\%0'):gsub('<', '\\x3c')
	return '"' .. text .. '"'
end

-- On troubleshooting each section begins with what a reader sees and may paste.
local function is_symptom(block)
	local first = block.t == 'Para' and block.content[1]
	return first and first.t == 'Strong' and pandoc.utils.stringify(first):match('^Symptom')
end

-- One entry for each section: address, title of the page, heading, text, symptom.
local function write_index(path, doc)
	local file = assert(io.open(path, 'w'))
	local title = pandoc.utils.stringify(doc.meta.title)
	local address, heading, text, symptom = pages[page].url, '', {}, ''
	local function flush()
		file:write('[', string_of(address), ',', string_of(title), ',', string_of(heading), ',',
			string_of(table.concat(text, ' ')), ',', string_of(symptom), '],\n')
		text, symptom = {}, ''
	end
	for _, block in ipairs(doc.blocks) do
		if block.t == 'Header' then
			flush()
			address = pages[page].url .. '#' .. block.identifier
			heading = pandoc.utils.stringify(block)
		elseif block.t == 'RawBlock' then
			local plain = block.text:gsub('<svg.*</svg>', ''):gsub('<[^>]*>', '')
			plain = plain:gsub('&lt;', '<'):gsub('&gt;', '>'):gsub('&quot;', '"'):gsub('&amp;', '&')
			text[#text + 1] = plain
		else
			text[#text + 1] = pandoc.write(pandoc.Pandoc { block }, 'plain')
			symptom = is_symptom(block) and text[#text] or symptom
		end
	end
	flush()
	file:close()
end

function Pandoc(doc)
	page = pandoc.utils.stringify(doc.meta.page)
	pages = links.contents(pandoc.utils.stringify(doc.meta.contents))
	write_index(pandoc.utils.stringify(doc.meta.index), doc)
	doc.meta.nav = contents()
	if pages[page].post then
		doc.meta.kicker = 'Post ' .. pages[page].post .. (pages[page].part and ', part ' .. pages[page].part or '')
	end
	for n, p in ipairs(pages) do
		if p.file == page then
			doc.meta.before = n > 1 and neighbour('prev', pages[n - 1]) or nil
			doc.meta.after = pages[n + 1] and neighbour('next', pages[n + 1]) or nil
		end
	end
	local body = pandoc.walk_block(pandoc.Div(doc.blocks), { Link = link, RawBlock = raw, Table = scrolled, Div = fold })
	doc.blocks = body.content
	local stage = page:match('^reasons/(.*)%.md$')
	if stage then
		doc.blocks:insert(2, pandoc.Para { pandoc.Link('The same, side by side and file by file', stage .. '-side.html') })
	end
	if page == 'index.md' then
		doc.meta.start = true
		doc.blocks:insert(downloads(pandoc.utils.stringify(doc.meta.book)))
		doc.blocks:insert(overview())
	end
	return doc
end

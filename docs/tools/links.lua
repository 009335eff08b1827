-- SPDX-License-Identifier: GPL-2.0
--
-- The pages there are, and where a link in one of them leads. In docs/ links are
-- those of the files, so that they work wherever one reads the files themselves.

local links = {}

-- A page: file (below docs/), url, id (for the book), group, title, summary, for a post its number,
-- and its part if it goes on from another page; for the changes of a stage, the letter that they
-- have in the book.
function links.contents(path)
	local pages, appendices = {}, 0
	for line in io.lines(path) do
		local group, file, title, summary = line:match('^(.-)\t(.-)\t(.-)\t(.*)$')
		local id = file:gsub('%.md$', ''):gsub('^reasons/(.*)', '%1-diff')
		local page = { group = group, file = file, id = id, url = id .. '.html',
			title = title, summary = summary,
			post = math.tointeger(tonumber(file:match('^(%d+)%-'))), part = file:match('^%d+%-.*%-(%d)%.md$') }
		page.number = page.post and page.post .. (page.part and '.' .. page.part or '')
		if file:match('^reasons/') then
			page.letter = string.char(('A'):byte() + appendices)
			appendices = appendices + 1
		end
		pages[#pages + 1] = page
		pages[file] = page
	end
	return pages
end

local function normal(path)
	local parts = {}
	for part in path:gmatch('[^/]+') do
		if part == '..' and #parts > 0 and parts[#parts] ~= '..' then
			table.remove(parts)
		elseif part ~= '.' then
			parts[#parts + 1] = part
		end
	end
	return table.concat(parts, '/')
end

-- Where a link in a page leads: a page and an anchor, a file of a stage and a line, or
-- neither (elsewhere, or within the page).
function links.resolve(pages, from, target)
	local file, line = target:match('^source:(.*)#(%d+)$')
	if file then
		return nil, nil, file, line
	end
	if target:match('^%a[%w+.-]*:') or target:match('^#') then
		return
	end
	local path, anchor = target:match('^([^#]*)#?(.*)$')
	path = normal(from:gsub('[^/]*$', '') .. path)
	path = path:gsub('^series/([^/]+)$', 'reasons/%1.md')	-- the patches, and what the build makes of them
	if pages[path] then
		return pages[path], anchor
	end
	file = path:match('^%.%./(%d%d%-[^/]*/[^/]+)$')
	if file and io.open(file) then
		return nil, nil, file, '1'
	end
	io.stderr:write('docs/', from, ': no page is called ', target, '\n')
	os.exit(1)
end

return links

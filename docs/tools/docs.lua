-- SPDX-License-Identifier: GPL-2.0
--
-- A page as it stands in docs/, with all that it takes from elsewhere: code from the
-- sources, transcripts, pictures drawn from text, what a stage changed. docs/tools/README.md
-- says what a page may write. The page holds all of it as text, too (fences.lua). What is missing,
-- left over or stale there ends the build.
--
-- pandoc -f markdown -t json --lua-filter=docs/tools/docs.lua -M page=NAME NAME.md
--
-- With -M refresh=FILE nothing is made but FILE, the page with what it should hold.

package.path = 'docs/tools/?.lua;' .. package.path
local fences = require 'fences'
local source = require 'source'
local html = require 'html'
local trace = require 'trace'
local weak = require 'weak'

local page

local function fail(...)
	io.stderr:write('docs/', page, ': ', string.format(...), '\n')
	os.exit(1)
end

local function read(path)
	return source.read(path) or fail('there is no file %s', path)
end

-- -- code ---------------------------------------------------------------------

local languages = { h = 'c', c = 'c', sh = 'bash', Makefile = 'makefile', Kbuild = 'makefile' }

local function language(file)
	return languages[file:match('[^./]+$')] or 'default'
end

-- The lines that a block is about: all of them, and the first and the last.
local function part(block)
	local at = block.attributes
	local lines = read(at.file or fail('code without a file'))
	local first, last = source.part(lines, at)
	if not first then
		fail('%s: %s', at.file, last)
	end
	return lines, first, last
end

-- What a page holds in the place of each kind of block: { lang, text, title, target }.
local held = {}

function held.code(block)
	local at = block.attributes
	local lines, first, last = part(block)
	local title = '`' .. at.file .. '`'
	if at.name and (at.from or at.to or at.before) then
		title = string.format('%s, part of `%s`', title, at.name)
	end
	return { lang = language(at.file), text = table.concat(lines, '\n', first, last), title = title,
		target = '../' .. at.file }
end

-- <!-- code file="STAGE/FILE" name="DEFINITION" from="TEXT" to="TEXT" -->
local function code(block)
	local at = block.attributes
	local lines, first, last = part(block)
	local text = table.concat(lines, '\n', first, last)
	local title = string.format('%s, lines %d to %d', at.file, first, last)
	if first == last then
		title = string.format('%s, line %d', at.file, first)
	end
	local link = pandoc.Link(title, 'source:' .. at.file .. '#' .. first)
	return pandoc.Div({
		pandoc.Para { link },
		pandoc.CodeBlock(text, pandoc.Attr('', { language(at.file), 'numberLines' }, { startFrom = tostring(first) })),
	}, pandoc.Attr('', { 'code' }))
end

-- -- transcripts --------------------------------------------------------------

local prompts = { '$', 'dom0#', 'domU1#', 'domU2#' }
local short = 8		-- lines that stay on one page of the book

-- What is typed, if the line begins with a prompt.
local function typed(line)
	for _, prompt in ipairs(prompts) do
		if line:sub(1, #prompt + 1) == prompt .. ' ' then
			return prompt, line:sub(#prompt + 2)
		end
	end
end

local function lines_of_transcript(block)
	return read('docs/transcripts/' .. (block.attributes.name or fail('a transcript without a name')) .. '.txt')
end

-- A line of output without the backslash that says that it is none to be typed.
local function unescaped(line)
	return typed(line:sub(2)) and line:match('^\\(.*)') or line
end

function held.transcript(block)
	local out = {}
	for n, line in ipairs(lines_of_transcript(block)) do
		out[n] = unescaped(line)
	end
	return { lang = 'console', text = table.concat(out, '\n') }
end

-- <!-- transcript name="NAME" -->
local function transcript(block)
	local out, going_on = {}, false
	for _, line in ipairs(lines_of_transcript(block)) do
		local prompt, command = typed(line)
		if going_on then
			prompt, command = '', line
		end
		if prompt then
			local space = going_on and '' or ' '
			out[#out + 1] = string.format('<span class="prompt">%s%s</span><span class="typed">%s</span>',
				html.escape(prompt), space, html.escape(command))
			going_on = command:match('\\$')
		else
			out[#out + 1] = html.escape(unescaped(line))
		end
	end
	return pandoc.RawBlock('html', string.format('<pre class="transcript%s"><code>%s</code></pre>',
		#out <= short and ' short' or '', table.concat(out, '\n')))
end

-- -- pictures -----------------------------------------------------------------

local tools = {
	msc = function(text)
		return pandoc.pipe('mscgen', { '-T', 'svg', '-i', '-', '-o', '-' }, text)
	end,
	aasvg = function(text)
		return pandoc.pipe('aasvg', { '--spaces=0' }, text .. '\n')
	end,
}

-- Inline SVG has no prologue; its identifiers would meet those of the next
-- picture, and its titles would be tooltips. Colours are the style sheet's.
local function tidy(svg)
	svg = svg:gsub('^.-<svg', '<svg'):gsub('<!%-%-.-%-%->', ''):gsub('<title>.-</title>', '')
	svg = svg:gsub(' id="[^"]*"', ''):gsub('"transparent"', '"none"')
	svg = svg:gsub(' shape%-rendering="%a+"', ''):gsub('font%-family="[^"]*"', 'font-family="sans-serif"')
	-- Not much smaller than it was drawn: rather than shrink further, it scrolls.
	local width = svg:match('^<svg[^>]- width="(%d+)')
	svg = svg:gsub('^<svg[^>]*>', function(tag)
		return (tag:gsub('="(%d+)px"', '="%1"'):gsub('="(%d+)pt"', function(points)
			return string.format('="%d"', points * 4 // 3)
		end))
	end)
	svg = svg:gsub('^<svg', string.format('<svg style="min-width: %dpx"', math.floor(width * 0.7)))
	return (svg:gsub('\n+', '\n'):gsub('%s+$', ''))
end

-- mscgen fits each text to its own idea of the font; here it is centred instead.
local function centre(svg)
	return (svg:gsub('<text x="(%d+)"( y="%d+") textLength="(%d+)"([^>]*)>%s*', function(x, y, length, rest)
		if not rest:find('text-anchor', 1, true) then
			x, rest = math.floor(x + length / 2), rest .. ' text-anchor="middle"'
		end
		return string.format('<text x="%d"%s%s>', x, y, rest)
	end))
end

-- ```aasvg, or the chart of a trace, and below it its caption, a paragraph in italics.
local function picture(kind, block, text)
	local caption = block.attributes.caption or fail('a picture without a caption')
	local done, svg = pcall(tools[kind], text or block.text)
	if not done then
		fail('%s cannot draw this: %s', kind, tostring(svg))
	end
	svg = tidy(kind == 'msc' and centre(svg) or svg)
	if kind == 'aasvg' then
		svg = svg:gsub('font%-family="sans%-serif"', 'font-family="monospace"')
	end
	svg = svg:gsub('^<svg', '<svg role="img" aria-label="' .. html.escape(caption) .. '"')
	return pandoc.RawBlock('html', string.format(
		'<figure class="picture %s"><div class="scroll">%s</div><figcaption>%s</figcaption></figure>',
		kind, svg, html.escape(caption)))
end

local function rows_of_trace(block)
	local name = block.attributes.name or fail('a trace without a name')
	local rows, wrong = trace.rows(lines_of_transcript(block), block.text)
	return rows or fail('%s: %s', name, wrong)
end

function held.trace(block)
	return { lang = 'text', text = trace.text(rows_of_trace(block)) }
end

-- <!-- trace name="NAME" and remarks, a line each -->: what xbwatch printed in a transcript.
local function traced(block)
	return picture('msc', block, trace.msc(rows_of_trace(block)))
end

-- -- what a stage changed ----------------------------------------------------

local function previous(stage)
	local before
	for _, name in ipairs(source.stages()) do
		if name == stage then
			return before or fail('%s has no stage before it', stage)
		end
		before = name
	end
	fail('there is no stage %s', stage)
end

local function changes(stage, file)
	return source.changes(source.read(previous(stage) .. '/' .. file) or {}, read(stage .. '/' .. file))
end

-- -- the steps of the series -----------------------------------------------------

local step_changes, steps_shown = {}, {}

-- The series of the page's post, what its driver is called, and how many steps it has; nil if it has none. Each
-- word of a page may ask for it.
local all_series = {}
local function series_of(name)
	local post = name:gsub('^reasons/', ''):gsub('%.md$', ''):gsub('%-[2-9]$', '')
	if all_series[post] == nil then
		local pipe = io.popen(string.format('ls docs/series/%s/*.patch 2>/dev/null | wc -l', post))
		local count = pipe:read('n'), pipe:close()
		local base = source.read('docs/series/' .. post .. '/base') or {}
		all_series[post] = count > 0 and { name = post, driver = (base[1] or 'NAME=mydevice'):match('^NAME=(.*)'), count = count }
	end
	return all_series[post] or nil
end

local function must_have_series()
	return series_of(page) or fail('the post of this page has no series of steps')
end

-- Where a step's files are; step 0 is what the series begins with. The build of all pages makes
-- them before it reads the first, and that of one page when they are needed.
local function tree(n)
	local series = must_have_series()
	local steps = os.getenv('DOCS_STEPS') .. '/' .. series.name .. '/'
	local header = '/' .. series.driver .. '.h'
	if not source.read(steps .. '0' .. header) then
		os.execute('docs/tools/build make_steps >&2')
	end
	if not source.read(steps .. n .. header) then
		fail('there is no step %d of %s', n, series.name)
	end
	return steps .. n
end

local function changes_of_step(n, file)
	local key = n .. file
	if not step_changes[key] then
		step_changes[key] = source.changes(source.read(tree(n - 1) .. '/' .. file) or {},
			source.read(tree(n) .. '/' .. file) or {})
	end
	return step_changes[key]
end

local function is_new(change)
	for _, op in ipairs(change.ops) do
		if op[1] ~= '+' then
			return false
		end
	end
	return true
end

-- What a step does to a definition: the change; and if the definition is new in this step, the
-- lines of the file, and the first and the last that are asked for.
local function step_part(n, at, name)
	local lines = read(tree(n) .. '/' .. at.file)
	for _, change in ipairs(changes_of_step(n, at.file)) do
		if change.name == name and change.first then
			if not is_new(change) then
				return change
			end
			local first, last = source.part(lines, { name = name, from = at.from, to = at.to, before = at.before })
			if not first then
				fail('step %d: %s: %s', n, at.file, last)
			end
			return change, lines, first, last
		end
	end
	if source.find(source.definitions(lines), name) then
		fail('step %d does not change %s in %s', n, name, at.file)
	end
	fail('step %d has no %s in %s', n, name, at.file)
end

-- From a page's own place.
local function patch_of_step(n)
	local pipe = io.popen(string.format("cd docs && printf '%%s\\n' series/%s/%04d-*.patch", must_have_series().name, n))
	return pipe:read(), pipe:close()
end

local function step_number(block)
	return math.tointeger(tonumber(block.attributes.n)) or fail('a step without a number: n="%s"', tostring(block.attributes.n))
end

-- The definitions that a block names.
local function step_names(block)
	local names = {}
	if not block.attributes.file or not block.attributes.name then
		fail('a step without a file, or without a name')
	end
	for name in block.attributes.name:gmatch('[^,]+') do
		names[#names + 1] = name:match('^%s*(.-)%s*$')
	end
	return names
end

local function diff(change)
	local out = {}
	for n, op in ipairs(source.near_changes(change.ops, html.near)) do
		out[n] = op and op[1] .. op[2] or ' ⋯'
	end
	return table.concat(out, '\n')
end

-- New ones are code; as soon as one is not, all are a diff.
function held.step(block)
	local n, at, all_new = step_number(block), block.attributes, true
	local as_code, as_diff = {}, {}
	for _, name in ipairs(step_names(block)) do
		local change, lines, first, last = step_part(n, at, name)
		all_new = all_new and lines
		as_code[#as_code + 1] = lines and table.concat(lines, '\n', first, last)
		as_diff[#as_diff + 1] = string.format('@@ %s @@\n%s', name, lines
			and '+' .. as_code[#as_code]:gsub('\n', '\n+') or diff(change))
	end
	return { lang = all_new and language(at.file) or 'diff', text = table.concat(all_new and as_code or as_diff, '\n\n'),
		title = string.format('step %d: `%s`', n, at.file), target = patch_of_step(n) }
end

-- A definition that is new in this step as it is, or a part of it; or what the step changed in it.
local function step_block(n, at, name)
	local change, lines, first, last = step_part(n, at, name)
	steps_shown[n] = steps_shown[n] or {}
	steps_shown[n][at.file .. ' ' .. name] = true
	if not lines then
		return pandoc.RawBlock('html', html.diff(at.file, change, string.format('step %d: %s, %s', n, at.file, name)))
	end
	return pandoc.Div({
		pandoc.Para { pandoc.Str(string.format('step %d: %s, lines %d to %d', n, at.file, first, last)) },
		pandoc.CodeBlock(table.concat(lines, '\n', first, last),
			pandoc.Attr('', { language(at.file), 'numberLines' }, { startFrom = tostring(first) })),
	}, pandoc.Attr('', { 'code' }))
end

-- <!-- step n="3" file="FILE" name="DEFINITION, DEFINITION" -->
local function step(block)
	local out = {}
	for _, name in ipairs(step_names(block)) do
		out[#out + 1] = step_block(step_number(block), block.attributes, name)
	end
	return out
end

-- ``` {.changes n="3"}: all that a step changes, file by file.
local function all_of_step(block)
	local n, out = step_number(block), {}
	for _, file in ipairs(source.files) do
		local found = changes_of_step(n, file)
		if #found > 0 then
			out[#out + 1] = pandoc.Header(3, { pandoc.Code(file) },
				pandoc.Attr(string.format('step-%d-%s', n, file:gsub('[^%w]', '-'))))
		end
		for _, change in ipairs(found) do
			out[#out + 1] = pandoc.RawBlock('html', html.diff(file, change, string.format('%s, %s', file, change.name)))
		end
	end
	return out
end

-- Neither includes nor prototypes nor the long comment's sections, which are text themselves.
local function is_code(change)
	return change.first and change.name ~= 'includes' and change.name ~= 'prototypes' and change.name ~= 'header'
		and not change.name:match('^/%*') and not change.ops[1][2]:match('^ %*')
end

-- A page that shows one definition of a step shows all that the step changes.
local function all_of_steps_shown()
	for n, shown in pairs(steps_shown) do
		for _, part in ipairs { '.h', 'stream.c', 'front.c', 'back.c' } do
			local file = must_have_series().driver .. part
			for _, change in ipairs(changes_of_step(n, file)) do
				if is_code(change) and not shown[file .. ' ' .. change.name] then
					fail('step %d changes %s in %s, and the page does not show that', n, change.name, file)
				end
			end
		end
	end
end

-- -- what weak drivers do ------------------------------------------------------

local weak_shown = {}

local function variant(block)
	local name = block.attributes.name or fail('a weak variant without a name')
	local text, changes, beaten = weak.variant(name)
	if not text then
		fail('%s', changes)
	end
	return text, changes, beaten, name
end

function held.weak(block)
	local text, changes, beaten, name = variant(block)
	local file = name .. '.patch'
	return { lang = 'diff', text = weak.text(text, changes, beaten), title = string.format('`%s`', file),
		target = '../common/tests/hostile/weak/' .. file }
end

-- <!-- weak name="NAME" -->: a patch of common/tests/hostile/weak, beside the right code.
local function weak_variant(block)
	local text, changes, beaten, name = variant(block)
	weak_shown[name] = true
	local out = { pandoc.Para { pandoc.Str(text) } }
	for _, change in ipairs(changes) do
		out[#out + 1] = pandoc.RawBlock('html', weak.beside(change))
	end
	local attacks = {}
	for _, by in ipairs(beaten) do
		local line = { pandoc.Str 'Beaten by ' }
		for n, case in ipairs(by[1]) do
			line[#line + 1] = n > 1 and pandoc.Str ' and ' or nil
			line[#line + 1] = pandoc.Code(case)
		end
		line[#line + 1] = pandoc.Str(': ' .. by[2] .. ' Seen: ')
		line[#line + 1] = pandoc.Code(by[3])
		attacks[#attacks + 1] = { pandoc.Plain(line) }
	end
	out[#out + 1] = pandoc.BulletList(attacks)
	return pandoc.Div(out, pandoc.Attr('', { 'weak-variant' }))
end

-- A page that shows one shows them all.
local function all_weak_shown()
	for _, name in ipairs(next(weak_shown) and weak.names() or {}) do
		if not weak_shown[name] then
			fail('the weak variant %s is not shown', name)
		end
	end
end

-- The names in a heading, each a piece of code.
local function names(header)
	local found = {}
	pandoc.walk_block(header, { Code = function(c) found[#found + 1] = c.text end })
	return found
end

-- docs/reasons/STAGE.md: a heading of the second level names a file, one of the
-- third one or more definitions; what stands below is why they changed. The
-- changes follow it. Every change must be there, and every name must be a change.
local function with_reasons(blocks, stage)
	local out, file, wanted, text = {}, nil, {}, false
	local left = {}		-- by file: the changes that have no reason yet
	for _, name in ipairs(source.files) do
		if source.read(stage .. '/' .. name) then
			left[name] = changes(stage, name)
		end
	end
	local function take(name)
		for n, change in ipairs(left[file]) do
			if change.name == name then
				return table.remove(left[file], n)
			end
		end
		fail('there is a reason for %s in %s, and no change (or a second reason)', name, file)
	end
	local function finish()
		if #wanted > 0 and not text then
			fail('%s in %s: a heading, and no reason', wanted[1], file)
		end
		for _, name in ipairs(wanted) do
			out[#out + 1] = pandoc.RawBlock('html', html.diff(stage .. '/' .. file, take(name)))
		end
		wanted = {}
	end
	for _, block in ipairs(blocks) do
		if block.t == 'Header' and block.level <= 3 then
			finish()
			text = false
			if block.level == 2 then
				file = names(block)[1]
				if not left[file] then
					fail('%s has no file %s', stage, tostring(file))
				end
			else
				wanted = names(block)
			end
		else
			text = true
		end
		out[#out + 1] = block
	end
	finish()
	for name, rest in pairs(left) do
		for _, change in ipairs(rest) do
			fail('%s in %s changed, and no reason is given', change.name, name)
		end
	end
	return out
end

-- -- names in the text -------------------------------------------------------

-- What the text calls mydevice..._something is something in the sources.
local everything
local function exists(name)
	if not everything then
		everything = {}
		for _, stage in ipairs(source.stages()) do
			for _, file in ipairs(source.files) do
				for _, line in ipairs(source.read(stage .. '/' .. file) or {}) do
					for word in line:gmatch('[%w_]+') do
						everything[word] = true
					end
				end
			end
		end
	end
	return everything[name]
end

-- What a text may speak of, too: words of these lines.
local function know(lines)
	exists ''
	for _, line in ipairs(lines) do
		for word in line:gmatch('[%w_]+') do
			everything[word] = true
		end
	end
end

-- ... and in a post about a driver of another name, in its last step.
local function in_last_step(series, name)
	for _, part in ipairs { '.h', 'front.c', 'back.c' } do
		if table.concat(read(tree(series.count) .. '/' .. series.driver .. part), '\n'):find('%f[%w_]' .. name .. '%f[^%w_]') then
			return true
		end
	end
end

local function checked_name(element)
	local name = element.text:match('^(mydevice%a*_[%w_]+)%(?%)?$') or element.text:match('^(MYDEVICE%a*_[%w_]+)$')
	if name and not exists(name) then
		fail("the text speaks of '%s', which no stage has", name)
	end
	local series = series_of(page)
	if series and series.driver ~= 'mydevice' then
		local own = element.text:match('^(' .. series.driver .. '%a*_[%w_]+)%(?%)?$')
			or element.text:match('^(' .. series.driver:upper() .. '%a*_[%w_]+)$')
		if own and not in_last_step(series, own) then
			fail("the text speaks of '%s', which the last step does not have", own)
		end
	end
end

-- A table's columns are as wide as their text wants, not as the source was typed.
local function unsized(element)
	for _, column in ipairs(element.colspecs) do
		column[2] = nil
	end
	return element
end

-- -- exercises ---------------------------------------------------------------

-- A patch as git writes it: a piece of HTML for each file.
local function patch(path)
	local out, lines, file = {}, {}, nil
	local class = { ['+'] = 'added', ['-'] = 'removed', [' '] = 'kept', ['@'] = 'left-out' }
	local function flush()
		if file then
			out[#out + 1] = pandoc.RawBlock('html', string.format(
				'<div class="code"><p>%s</p><pre class="diff"><code>%s</code></pre></div>',
				html.escape(file), table.concat(lines, '\n')))
		end
		lines = {}
	end
	local in_hunk = false
	for _, line in ipairs(read(path)) do
		if line:match('^diff %-%-git ') then
			flush()
			file, in_hunk = line:match(' b/(.*)$'), false
		elseif line:match('^@@ ') then
			in_hunk = true
			lines[#lines + 1] = '<span class="left-out">⋯</span>'
		elseif in_hunk and class[line:sub(1, 1)] then
			lines[#lines + 1] = string.format('<span class="%s">%s</span>', class[line:sub(1, 1)], html.escape(line))
		end
	end
	flush()
	return out
end

-- What stands in a page of an exercise is text, with links as from there.
local function as_here(blocks)
	return pandoc.walk_block(pandoc.Div(blocks), { Code = checked_name, Table = unsized, Link = function(element)
		element.target = element.target:gsub('^%.%./', '')
		return element
	end }).content
end

-- docs/exercises/N.M.md: a title, a hint, and below a heading the answer; with a patch beside it,
-- if something is to be changed. Each is folded, where a page can do that.
local function folded(number)
	local path = 'docs/exercises/' .. number .. '.md'
	local text = table.concat(read(path), '\n'):gsub('<!%-%- SPDX.-%-%->', '')
	local patched = path:gsub('md$', 'patch')
	know(source.read(patched) or {})
	local parts, at = { Hint = pandoc.List(), Answer = pandoc.List() }, 'Hint'
	for _, element in ipairs(pandoc.read(text, 'markdown-raw_html').blocks) do
		if element.t == 'Header' and element.level > 1 then
			at = pandoc.utils.stringify(element)
		elseif element.t ~= 'Header' then
			(parts[at] or fail('%s has a heading %s', path, at)):insert(element)
		end
	end
	for name, blocks in pairs(parts) do
		if #blocks == 0 then
			fail('%s has no %s', path, name:lower())
		end
		parts[name] = as_here(blocks)
	end
	if source.read(patched) then
		parts.Answer:extend(patch(patched))
	end
	return pandoc.Div(parts.Hint, pandoc.Attr('', { 'fold' }, { title = 'Hint' })),
		pandoc.Div(parts.Answer, pandoc.Attr('', { 'fold' }, { title = 'Answer' }))
end

-- Below each item of the list of exercises its hint and its answer. There has to be one each.
local function with_answers(blocks)
	local post, found, there = page:match('^0(%d)%-'), 0, 0
	local below = false
	for _, element in ipairs(blocks) do
		if element.t == 'Header' then
			below = pandoc.utils.stringify(element) == 'Exercises'
		elseif below and element.t == 'OrderedList' then
			for n, item in ipairs(element.content) do
				found = found + 1
				for _, fold in ipairs { folded(post .. '.' .. n) } do
					item:insert(fold)
				end
			end
		end
	end
	for name in io.popen('ls docs/exercises'):lines() do
		there = there + (post and found > 0 and name:match('^' .. post .. '%.%d+%.md$') and 1 or 0)
	end
	if there ~= found then
		fail('it has %d exercises, and docs/exercises has %d for it', found, there)
	end
end

-- -- the page ----------------------------------------------------------------

local function block(element)
	if element.classes:includes('code') then
		return code(element)
	elseif element.classes:includes('transcript') then
		return transcript(element)
	elseif element.classes:includes('trace') then
		return traced(element)
	elseif element.classes:includes('weak') then
		return weak_variant(element)
	elseif element.classes:includes('step') then
		return step(element)
	elseif element.classes:includes('changes') then
		return all_of_step(element)
	elseif element.classes:includes('aasvg') then
		return picture('aasvg', element)
	end
	-- What a post tells the reader to type is typed in make check.
	local class = element.classes[1] or 'none'
	if page:match('^%d') and (class:match('^b?a?sh$') or class == 'console' or class == 'none') then
		fail('a block that is no transcript: %s', element.text:match('[^\n]*'))
	end
end

-- A list is numbered as HTML does it. Newer versions of pandoc say so in an attribute that HTML 5
-- does not have.
local function numbered(element)
	element.style = 'DefaultStyle'
	return element
end

-- -- what the page holds ---------------------------------------------------------

local kinds = { code = true, transcript = true, step = true, weak = true, trace = true }

local function wanted(found)
	local all = {}
	for n, each in ipairs(found) do
		all[n] = held[each.kind](each.block)
		all[n].text = all[n].text:gsub('[ \t]+\n', '\n')	-- of empty lines in a diff
		if all[n].text:find('\n```') then
			fail('a fence cannot hold what has a fence in it: %s', each.comment)
		end
	end
	return all
end

local function refresh(found, path)
	local text = fences.rewritten(read('docs/' .. page), kinds, wanted(found), fail)
	local file = assert(io.open(path, 'w'))
	file:write(text)
	file:close()
end

local function all_fresh(found)
	local stale = {}
	for n, new in ipairs(wanted(found)) do
		if not fences.same(found[n], new) then
			stale[#stale + 1] = '    ' .. found[n].comment
		end
	end
	if #stale > 0 then
		fail('this is not what it holds now; type: make docs-refresh\n%s', table.concat(stale, '\n'))
	end
end

local function is_picture(block)
	return block.t == 'CodeBlock' and (block.classes[1] == 'trace' or block.classes[1] == 'aasvg')
end

-- Below a picture stands its caption, in italics.
local function with_captions(blocks)
	local out = pandoc.List()
	for n, block in ipairs(blocks) do
		local text = block.t == 'Para' and #block.content == 1 and block.content[1]
		if n > 1 and is_picture(blocks[n - 1]) and text and text.t == 'Emph' then
			blocks[n - 1].attributes.caption = pandoc.utils.stringify(text)
			out[#out] = blocks[n - 1]
		else
			out:insert(block)
		end
	end
	return out
end

-- A heading may have an address of its own, in the form that a forge takes, too: <a id="..."></a>
-- in a paragraph above it.
local function with_anchors(blocks)
	local out = pandoc.List()
	for n, block in ipairs(blocks) do
		local tag = block.t == 'Para' and #block.content == 2 and block.content[1]
		local id = tag and tag.t == 'RawInline' and tag.text:match('^<a id="([%l%d-]+)">$')
		if not id then
			out:insert(block)
		elseif blocks[n + 1] and blocks[n + 1].t == 'Header' then
			blocks[n + 1].identifier = id
		else
			fail('no heading follows <a id="%s">', id)
		end
	end
	return out
end

local function no_html(element)
	if element.format == 'html' then
		fail('HTML has no place here: %s', element.text)
	end
end

-- The title is the heading of the first level, the summary the paragraph after it.
function Pandoc(doc)
	page = pandoc.utils.stringify(doc.meta.page)
	local blocks, found = fences.take(doc.blocks, kinds, fail)
	if doc.meta.refresh then
		refresh(found, pandoc.utils.stringify(doc.meta.refresh))
		return pandoc.Pandoc {}
	end
	doc.blocks = with_anchors(with_captions(blocks))
	local title, summary = doc.blocks[1], doc.blocks[2]
	if not title or title.t ~= 'Header' or title.level ~= 1 then
		fail('it does not begin with a title')
	end
	if not summary or summary.t ~= 'Para' then
		fail('no summary follows the title: a paragraph')
	end
	doc.meta.title = pandoc.MetaInlines(title.content)
	doc.meta.summary = pandoc.MetaInlines(summary.content)
	doc.blocks:remove(1)
	local stage = page:match('^reasons/(.*)%.md$')
	if stage and not series_of(page) then
		doc.blocks = pandoc.List(with_reasons(doc.blocks, stage))
	end
	local body = pandoc.walk_block(pandoc.Div(doc.blocks), { CodeBlock = block, Code = checked_name, Table = unsized,
		OrderedList = numbered, RawInline = no_html })
	with_answers(body.content)
	all_weak_shown()
	all_of_steps_shown()
	all_fresh(found)
	doc.blocks = body.content
	return doc
end

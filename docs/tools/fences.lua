-- SPDX-License-Identifier: GPL-2.0
--
-- What a page takes from elsewhere stands in the page itself, so that it reads the same on a
-- forge: a comment says what it is, a link where it comes from, and a fence holds it.
--
--     <!-- code file="01-hello-probe/mydevicefront.c" name="mydevicefront_ids" -->
--
--     [`01-hello-probe/mydevicefront.c`](../01-hello-probe/mydevicefront.c)
--
--     ```c
--     ...
--     ```
--
-- Comment and fence are found here, in what pandoc read and in the file as it is. What the fence
-- should hold is for docs.lua to say. Some kinds have no link.

local fences = {}

-- A comment's kind, its attributes, and its further lines; nothing if it is another comment.
local function parsed(comment, kinds)
	local kind, first, rest = comment:match('^<!%-%- (%l+) ([^\n]*)(.*)%-%->%s*$')
	if not kinds[kind] then
		return
	end
	local attributes = {}
	for key, value in first:gmatch('(%l+)="([^"]*)"') do
		attributes[key] = value
	end
	return kind, attributes, rest:gsub('^\n', ''):gsub('\n$', '')
end

local function is_link(block)
	return block and block.t == 'Para' and #block.content == 1 and block.content[1].t == 'Link' and block.content[1] or nil
end

-- The blocks of a page with a code block of class KIND for each comment and its fence. Its text is
-- that of the comment's further lines. Also a list of what was found: { kind, block, the
-- link's text and target, language and text in the fence }.
function fences.take(blocks, kinds, fail)
	local out, found, n = pandoc.List(), {}, 1
	while n <= #blocks do
		local block = blocks[n]
		local kind, attributes, rest
		if block.t == 'RawBlock' then
			kind, attributes, rest = parsed(block.text, kinds)
		end
		if kind then
			local link = is_link(blocks[n + 1])
			n = link and n + 2 or n + 1
			local fence = blocks[n]
			if not fence or fence.t ~= 'CodeBlock' then
				fail('no fence follows %s', block.text:match('[^\n]*'))
			end
			local new = pandoc.CodeBlock(rest, pandoc.Attr('', { kind }, attributes))
			found[#found + 1] = { kind = kind, block = new, lang = fence.classes[1], text = fence.text,
				title = link and pandoc.utils.stringify(link.content), target = link and link.target,
				comment = block.text:match('[^\n]*') }
			out:insert(new)
		elseif block.t == 'RawBlock' and (not block.text:match('^<!%-%-') or block.text:match('^<!%-%- %l+ %l+="')) then
			fail('HTML has no place here, and this is no comment of a kind that is known: %s', block.text:match('[^\n]*'))
		elseif block.t ~= 'RawBlock' then
			out:insert(block)
		end
		n = n + 1
	end
	return out, found
end

local function plain(markdown)
	return (markdown:gsub('`', ''))
end

-- Whether a page has what it should have: wanted is { lang, text, title, target }.
function fences.same(have, wanted)
	return have.lang == wanted.lang and have.text == wanted.text and have.target == wanted.target
		and have.title == (wanted.title and plain(wanted.title))
end

-- The lines of a page with each fence as it should be, in their order.
function fences.rewritten(lines, kinds, wanted, fail)
	local out, n, count = {}, 1, 0
	local function copy_to(pattern)
		repeat
			out[#out + 1] = lines[n]
			n = n + 1
		until not lines[n - 1] or lines[n - 1]:match(pattern)
	end
	while n <= #lines do
		if not kinds[lines[n]:match('^<!%-%- (%l+) ')] then
			out[#out + 1] = lines[n]
			n = n + 1
		else
			count = count + 1
			local new = wanted[count] or fail('there are comments within comments or lists')
			copy_to('%-%->$')
			while lines[n] and not lines[n]:match('^```') do
				n = n + 1
			end
			repeat
				n = n + 1
			until not lines[n] or lines[n] == '```'
			n = n + 1
			out[#out + 1] = ''
			if new.title then
				out[#out + 1] = string.format('[%s](%s)\n', new.title, new.target)
			end
			out[#out + 1] = string.format('```%s\n%s\n```', new.lang, new.text)
		end
	end
	if count ~= #wanted then
		fail('%d comments in the file, and %d where pandoc sees them', count, #wanted)
	end
	return table.concat(out, '\n') .. '\n'
end

return fences

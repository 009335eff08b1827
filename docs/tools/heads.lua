-- SPDX-License-Identifier: GPL-2.0
--
-- The book's pages have their chapter's title as their head. Chromium cannot take it from the page
-- (it knows no string()), so each chapter has a kind of page of its own.
--
-- Metadata: heads (where the style sheet goes)

local rule = [==[
[id="%s"] { page: chapter-%d }
@page chapter-%d { @top-left { content: "%s" } }
]==]

function Pandoc(doc)
	local file = assert(io.open(pandoc.utils.stringify(doc.meta.heads), 'w'))
	for n, block in ipairs(doc.blocks) do
		if block.t == 'Header' and block.level == 1 then
			local title = pandoc.utils.stringify(block):gsub('["\\]', '\\%0')
			file:write(rule:format(block.identifier, n, n, title))
		end
	end
	file:close()
end

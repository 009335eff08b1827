-- SPDX-License-Identifier: GPL-2.0
--
-- In place of a page, what is wrong with its sentences: a line each. Code and tables are not
-- looked at, headings only for their words.

local LONGEST = 35	-- words in a sentence

-- A pattern of Lua in a sentence in lower case, with a blank before and behind it, and what to
-- write instead.
local MODAL = { "can", "cannot", "could", "does", "finds", "gets", "has", "knows", "learns", "looks", "may", "might", "must",
	"needs", "reads", "sees", "should", "takes", "types", "wants", "will", "would", "writes" }
local TURNS = {
	{ "[^%w]anew[^%w]", "again, or re-" },
	{ "[^%w]seldom[^%w]", "rarely" },
	{ "[^%w]oneself[^%w]", "yourself, or the component" },
	{ "[^%w]one's[^%w]", "your, or the component's" },
	{ "[^%w]whoever[^%w]", "a noun: a reader, a driver" },
	{ "[^%w]whosoever[^%w]", "a noun: a reader, a driver" },
	{ "[^%w]all that is[^%w]", "everything" },
	{ "[^%w]the own[^%w]", "its own" },
	{ "[^%w]for want of[^%w]", "without, or because there is no" },
	{ "[^%w]thereof[^%w]", "of it" },
	{ "[^%w]be it[^%w]", "whether" },
	{ "[^%w]so does whatever[^%w]", "a noun" },
}
for _, verb in ipairs(MODAL) do
	for _, before in ipairs { "if", "when", "that", "what", "where", "how", "as", "then", "so", "because", "and" } do
		table.insert(TURNS, { "[^%w]" .. before .. " one " .. verb .. "[^%w]", "you, or the component" })
	end
	table.insert(TURNS, { "^ one " .. verb .. "[^%w]", "you, or the component" })
end

local found = {}

local function report(sentence, why)
	local words = {}
	for word in sentence:gmatch("%S+") do
		if #words < 12 then table.insert(words, word) end
	end
	table.insert(found, PANDOC_STATE.input_files[1] .. ': "' .. table.concat(words, " ") .. '...": ' .. why)
end

-- Code is one word, whatever is in it.
local function text_of(inlines)
	return pandoc.utils.stringify(pandoc.Inlines(inlines):walk {
		Code = function() return pandoc.Str("CODE") end,
		Math = function() return pandoc.Str("CODE") end,
		RawInline = function() return {} end,
		Note = function() return {} end,
		LineBreak = function() return pandoc.Space() end,
		SoftBreak = function() return pandoc.Space() end,
	})
end

-- A sentence ends with a sign and a blank before something that is not in lower case.
local function sentences(text)
	local marked = text:gsub("([.?!][\"”’)%]]*)%s+(%f[^%l%s])", "%1\n%2")
	marked = marked:gsub("(e%.g%.)\n", "%1 "):gsub("(i%.e%.)\n", "%1 ")
	return marked:gmatch("[^\n]+")
end

local function judge_sentence(sentence)
	local _, count = sentence:gsub("%f[%w]%w[%w'’-]*", "")
	if count > LONGEST then report(sentence, count .. " words; " .. LONGEST .. " at most") end
	local plain = " " .. sentence:lower():gsub("’", "'") .. " "
	for _, turn in ipairs(TURNS) do
		local at = plain:match(turn[1])
		if at then report(sentence, "'" .. at:gsub("^%A+", ""):gsub("%A+$", "") .. "': write " .. turn[2]) end
	end
	if sentence:match("^Who .*%.$") or sentence:match("^What .* is what ") then
		report(sentence, "name the subject, in place of a clause with who or what")
	end
end

local function judge(inlines, in_list)
	local text = text_of(inlines)
	for sentence in sentences(text) do judge_sentence(sentence) end
	local _, colons = text:gsub(":%f[%s%z]", "")
	if colons > 1 and not in_list then report(text, colons .. " colons in a paragraph; one at most") end
end

local function blocks(list, in_list)
	for _, block in ipairs(list) do
		if block.t == "Para" or block.t == "Plain" then
			judge(block.content, in_list)
		elseif block.t == "Header" then
			judge(block.content, true)
		elseif block.t == "BlockQuote" or block.t == "Div" then
			blocks(block.content, in_list)
		elseif block.t == "BulletList" or block.t == "OrderedList" then
			for _, item in ipairs(block.content) do blocks(item, true) end
		elseif block.t == "DefinitionList" then
			for _, item in ipairs(block.content) do
				for _, meaning in ipairs(item[2]) do blocks(meaning, true) end
			end
		end
	end
end

function Pandoc(document)
	blocks(document.blocks, false)
	return pandoc.Pandoc { pandoc.RawBlock("plain", table.concat(found, "\n")) }
end

-- SPDX-License-Identifier: GPL-2.0
--
-- A page without what is no prose, for the spell checker: code, pictures, addresses.

local function nothing()
	return {}
end

return { { CodeBlock = nothing, Code = nothing, RawBlock = nothing,
	Link = function(element) return element.content end } }

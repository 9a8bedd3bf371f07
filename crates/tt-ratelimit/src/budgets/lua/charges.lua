-- Some of the charges of a user that were made before a time: those of one step of a scan.
--
-- KEYS  as common.lua has them
-- ARGV  1 the time, in Unix milliseconds, 2 the cursor of the scan (at first 0), 3 about how many charges to look at
--
-- Returns the next cursor (0: that was the last step), then request, process, counts_from, settled and held of each
-- charge, all as text.

local before = tonumber(ARGV[1])
local page = redis.call('HSCAN', KEYS[2], ARGV[2], 'COUNT', ARGV[3])
local all, found = page[2], {page[1]}
for i = 1, #all, 2 do
  local charge = cmsgpack.unpack(all[i + 1])
  if charge[3] < before then
    found[#found + 1] = all[i]
    found[#found + 1] = charge[1]
    for field = 3, 5 do found[#found + 1] = string.format('%.0f', charge[field]) end
  end
end
return found

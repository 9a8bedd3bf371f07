-- Adds what a process has admitted in the last minute, after Redis has lost its counters.
--
-- KEYS[1]  the counter, in the format of common.lua
-- ARGV[1]  as common.lua has it
-- ARGV     then an age in seconds and the requests of that age, and so on; ages are 0 to 60

local counts, seconds = {}, {}
local function add(at, count)
  if not counts[at] then
    seconds[#seconds + 1] = at
    counts[at] = 0
  end
  counts[at] = counts[at] + count
end

local packed = redis.call('GET', KEYS[1])
if packed then
  local old = cmsgpack.unpack(packed)
  for i = 1, #old, 2 do add(old[i], old[i + 1]) end
end
for i = 2, #ARGV, 2 do add(second - tonumber(ARGV[i]), tonumber(ARGV[i + 1])) end
table.sort(seconds)
local kept = {}
for _, at in ipairs(seconds) do
  kept[#kept + 1] = at
  kept[#kept + 1] = counts[at]
end
redis.call('SET', KEYS[1], cmsgpack.pack(kept), 'PX', 62000)

-- Functions of limits.lua, standing.lua and seed_minute.lua, which are loaded after this file.
--
-- ARGV[1]  now in Unix milliseconds, for tests; otherwise empty, and the clock of Redis counts
--
-- A minute is kept as cmsgpack of {second, count, second, count, ...}, oldest first, without empty seconds.
-- A day is kept as NUMBER:COUNT.

local now = tonumber(ARGV[1])
if not now then
  local t = redis.call('TIME')
  now = t[1] * 1000 + math.floor(t[2] / 1000)
end
local second = math.floor(now / 1000)
local today = math.floor(now / 86400000)

-- Reads a kept minute. Returns the seconds in the window with their counts, the sum of these counts, and the newest second.
-- If the clock was set back, the fourth result is all that was kept, moved back with it.
local function read_minute(packed)
  local kept, sum, newest, moved = {}, 0, second, nil
  if not packed then return kept, sum, newest end
  local old = cmsgpack.unpack(packed)
  local last = old[#old - 1]
  if last > second + 60 then
    -- Counts become a second younger: the seconds of the two clocks need not begin at the same moment.
    for i = 1, #old, 2 do old[i] = math.min(old[i] - last + second + 1, second) end
    moved = old
  elseif last > second then
    newest = last
  end
  for i = 1, #old, 2 do
    if old[i] > newest - 61 then
      kept[#kept + 1] = old[i]
      kept[#kept + 1] = old[i + 1]
      sum = sum + old[i + 1]
    end
  end
  return kept, sum, newest, moved
end

-- The milliseconds until this second leaves the window.
local function leaves(at)
  return (at + 61) * 1000 - now
end

-- Reads a kept day. Returns its number and count, or nothing if it is over.
local function read_day(kept)
  if not kept then return end
  local number, count = string.match(kept, '^(%d+):(%d+)$')
  number, count = tonumber(number), tonumber(count)
  if number and number >= today then return number, count end
end

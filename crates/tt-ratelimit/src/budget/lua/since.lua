-- Since when this Redis has held what is counted: it lost all of it then, or was new.
--
-- KEYS[1]  the time, in Unix milliseconds
--
-- Returns it and the time now.

local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
redis.call('SET', KEYS[1], string.format('%.0f', now), 'NX')
return {tonumber(redis.call('GET', KEYS[1])), now}

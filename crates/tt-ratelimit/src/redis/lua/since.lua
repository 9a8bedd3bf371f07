-- Since when this Redis has its data. The mark is gone when Redis has lost its data, and a new one is made then.
--
-- KEYS[1]  the mark: a time, in Unix milliseconds
--
-- Returns the mark and the time now.

local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
redis.call('SET', KEYS[1], string.format('%.0f', now), 'NX')
return {tonumber(redis.call('GET', KEYS[1])), now}

-- The accounts and charges of one user; accounts.rs does the same in Rust. This text goes before that of reserve.lua
-- and of sync.lua.
--
-- KEYS[1]  accounts: NAME -> {start, revision, spent, unposted, held, complete}. NAME is d, m or t, for a day, a month
--          and all of time, followed by the id of the API key where the account is a key's. complete is 0 or 1: the
--          store has been read for the second time
-- KEYS[2]  charges: REQUEST -> {process, key, counts_from, settled, held, version}. key is '' where there is none
-- KEYS[3]  sums of charges: KEY -> {day, settled, held, charges, ...}, four numbers for each UTC day (since 1970) that
--          charges count from. KEY is the id of an API key, or '' for all charges of the user. A period begins with a day,
--          so it begins with the sums of its days, however many charges there are
--
-- Values are packed by cmsgpack. Money is in nano-dollars, times are in Unix milliseconds, and neither exceeds 2^53.
-- Processes of two versions share these values during an upgrade: positions in them do not change.

local DAY = 86400000

local accounts, changed = {}, {}
local sums, summed = {}, {}

-- Reads the accounts of these names into `accounts`; false for those that do not exist.
local function fetch(names)
  local wanted = {}
  for _, name in ipairs(names) do
    if accounts[name] == nil then wanted[#wanted + 1] = name end
  end
  if #wanted == 0 then return end
  local packed = redis.call('HMGET', KEYS[1], unpack(wanted))
  for i, name in ipairs(wanted) do
    accounts[name] = packed[i] and cmsgpack.unpack(packed[i])
  end
end

local function charge_of(request)
  local packed = redis.call('HGET', KEYS[2], request)
  return packed and cmsgpack.unpack(packed)
end

local function counts(charge, name, start)
  local key = string.sub(name, 2)
  return charge[3] >= start and (key == '' or key == charge[2])
end

local function add(charge, sign)
  local names = {'d', 'm', 't'}
  if charge[2] ~= '' then
    for i = 1, 3 do names[i + 3] = names[i] .. charge[2] end
  end
  fetch(names)
  for _, name in ipairs(names) do
    local account = accounts[name]
    if account and counts(charge, name, account[1]) then
      account[4] = account[4] + sign * charge[4]
      account[5] = account[5] + sign * charge[5]
      changed[name] = true
    end
  end
end

-- The sums of the charges of a key, or of all charges ('').
local function sums_of(key)
  if not sums[key] then
    local packed = redis.call('HGET', KEYS[3], key)
    sums[key] = packed and cmsgpack.unpack(packed) or {}
  end
  return sums[key]
end

local function sum(charge, sign)
  local day, keys = math.floor(charge[3] / DAY), {''}
  if charge[2] ~= '' then keys[2] = charge[2] end
  for _, key in ipairs(keys) do
    local days, at = sums_of(key), nil
    for i = 1, #days, 4 do
      if days[i] == day then at = i end
    end
    if not at then
      at = #days + 1
      days[at], days[at + 1], days[at + 2], days[at + 3] = day, 0, 0, 0
    end
    days[at + 1] = days[at + 1] + sign * charge[4]
    days[at + 2] = days[at + 2] + sign * charge[5]
    days[at + 3] = days[at + 3] + sign
    if days[at + 3] == 0 then
      for _ = 1, 4 do table.remove(days, at) end
    end
    summed[key] = true
  end
end

-- Replaces a charge, or removes it, in every account that it counts for.
local function put(request, old, new)
  if old then
    add(old, -1)
    sum(old, -1)
  end
  if new then
    add(new, 1)
    sum(new, 1)
    redis.call('HSET', KEYS[2], request, cmsgpack.pack(new))
  elseif old then
    redis.call('HDEL', KEYS[2], request)
  end
end

-- True if the sums are of as many charges as there are.
local function is_summed()
  local days, charges = sums_of(''), 0
  for i = 4, #days, 4 do charges = charges + days[i] end
  return charges == redis.call('HLEN', KEYS[2])
end

-- Makes the sums again from all charges. It is needed only after somebody has changed the charges by hand.
local function sum_again()
  redis.call('DEL', KEYS[3])
  sums, summed = {[''] = {}}, {}
  for _, packed in ipairs(redis.call('HVALS', KEYS[2])) do
    sum(cmsgpack.unpack(packed), 1)
  end
end

-- A new account for the period that began at `start`, with the charges that count for it.
local function begin(name, start, complete)
  local account = {start, 0, 0, 0, 0, complete}
  if not is_summed() then sum_again() end
  local days = sums_of(string.sub(name, 2))
  for i = 1, #days, 4 do
    if days[i] * DAY >= start then
      account[4] = account[4] + days[i + 1]
      account[5] = account[5] + days[i + 2]
    end
  end
  accounts[name] = account
  changed[name] = true
  return account
end

-- Writes the sums and the accounts that have changed. When the user has no charge, the accounts expire after two days:
-- they can be read from the store again.
local function save()
  for key in pairs(summed) do
    if #sums[key] == 0 then
      redis.call('HDEL', KEYS[3], key)
    else
      redis.call('HSET', KEYS[3], key, cmsgpack.pack(sums[key]))
    end
  end
  if not next(changed) then return end
  for name in pairs(changed) do
    redis.call('HSET', KEYS[1], name, cmsgpack.pack(accounts[name]))
  end
  if redis.call('EXISTS', KEYS[2]) == 1 then
    redis.call('PERSIST', KEYS[1])
  else
    redis.call('PEXPIRE', KEYS[1], 172800000)
  end
end

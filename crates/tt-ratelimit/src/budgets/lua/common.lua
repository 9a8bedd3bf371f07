-- The accounts and charges of one user; accounts.rs does the same in Rust. This text goes before that of reserve.lua
-- and of sync.lua.
--
-- KEYS[1]  accounts: NAME -> {start, revision, spent, unposted, held, complete}. NAME is d, m or t, for a day, a month
--          and all of time, followed by the id of the API key where the account is a key's. complete is 0 or 1: the
--          store has been read for the second time
-- KEYS[2]  charges: REQUEST -> {process, key, counts_from, settled, held, version}. key is '' where there is none
--
-- Values are packed by cmsgpack. Money is in nano-dollars, times are in Unix milliseconds, and neither exceeds 2^53.
-- Processes of two versions share these values during an upgrade: positions in them do not change.

local accounts, changed = {}, {}

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

-- Replaces a charge, or removes it, in every account that it counts for.
local function put(request, old, new)
  if old then add(old, -1) end
  if new then
    add(new, 1)
    redis.call('HSET', KEYS[2], request, cmsgpack.pack(new))
  elseif old then
    redis.call('HDEL', KEYS[2], request)
  end
end

-- A new account for the period that began at `start`, with the charges that count for it.
local function begin(name, start, complete)
  local account = {start, 0, 0, 0, 0, complete}
  for _, packed in ipairs(redis.call('HVALS', KEYS[2])) do
    local charge = cmsgpack.unpack(packed)
    if counts(charge, name, start) then
      account[4] = account[4] + charge[4]
      account[5] = account[5] + charge[5]
    end
  end
  accounts[name] = account
  changed[name] = true
  return account
end

-- Writes the accounts that have changed. When the user has no charge, they expire after two days: they can be read
-- from the store again.
local function save()
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

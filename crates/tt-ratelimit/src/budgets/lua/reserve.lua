-- Holds money for an attempt in the accounts of all its rules or of none, or returns how they stand.
--
-- ARGV  1 request, 2 process, 3 key, 4 when it began, 5 version, 6 settled, 7 worst case (empty: return how the rules
--       stand), 8 99th percentile of the cost (may be empty), then for each rule: account, start of its period, limit
--
-- Returns one of
--   {0}                          the user has no accounts at all
--   {1, i...}                    the accounts of the rules i may not be used yet
--   {2, held, counts_from}       the money is held
--   {3, i, spent, held, asked}   rule i refuses
--   {4}                          the charge has a later version already
--   {5, spent, held, ...}        how each rule stands

local request, process, key = ARGV[1], ARGV[2], ARGV[3]
local from, version, settled = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local worst, p99 = tonumber(ARGV[7]), tonumber(ARGV[8])
local names, starts, limits = {}, {}, {}
for i = 9, #ARGV, 3 do
  names[#names + 1], starts[#starts + 1], limits[#limits + 1] = ARGV[i], tonumber(ARGV[i + 1]), tonumber(ARGV[i + 2])
end

fetch(names)
local missing = {1}
for i, name in ipairs(names) do
  if not accounts[name] or accounts[name][6] == 0 then missing[#missing + 1] = i end
end
if missing[2] then
  if redis.call('EXISTS', KEYS[1]) == 0 then return {0} end
  return missing
end

local old = worst and charge_of(request)
if old and old[6] >= version then return {4} end
for i, name in ipairs(names) do
  local account = accounts[name]
  if starts[i] > account[1] then account = begin(name, starts[i], account[6]) end
  if account[1] > from then from = account[1] end
end

if not worst then
  local standing = {5}
  for _, name in ipairs(names) do
    local account = accounts[name]
    standing[#standing + 1] = account[3] + account[4]
    standing[#standing + 1] = account[5]
  end
  save()
  return standing
end

local nearest, remaining, spent, held
for i, name in ipairs(names) do
  local account = accounts[name]
  local s, h = account[3] + account[4] + settled, account[5]
  if old and counts(old, name, account[1]) then s, h = s - old[4], h - old[5] end
  local left = limits[i] - s - h
  if not nearest or left < remaining then nearest, remaining, spent, held = i, left, s, h end
end
local hold = worst
if remaining < 8 * worst and p99 then hold = p99 end
if hold > remaining then
  save()
  return {3, nearest, spent, held, hold}
end
put(request, old, {process, key, from, settled, hold, version})
save()
return {2, hold, from}

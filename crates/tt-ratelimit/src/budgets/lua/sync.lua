-- Takes sums of the store, charges of a process, and removals of charges, in one step.
--
-- ARGV  1 where the sums come from: post (changes accounts that exist), first (makes accounts) or second (completes
--       them), 2 how many sums, 3 how many charges,
--       for each sum: account, start of its period, revision, amount
--       for each charge: request, version, process, key, counts_from, settled, held
--       then requests whose charges are removed

local purpose, sums, charges = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local at = 4

for _ = 1, sums do
  local name, start, revision, amount = ARGV[at], tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3])
  fetch({name})
  local account = accounts[name]
  local existed = account
  if not existed and purpose ~= 'post' then account = begin(name, start, 0) end
  if account then
    if start > account[1] then account = begin(name, start, account[6]) end
    if start == account[1] and revision >= account[2] then
      account[2], account[3] = revision, amount
      changed[name] = true
    end
    if existed and purpose == 'second' then
      account[6] = 1
      changed[name] = true
    end
  end
  at = at + 4
end

for _ = 1, charges do
  local request, version = ARGV[at], tonumber(ARGV[at + 1])
  local old = charge_of(request)
  if not old or old[6] < version then
    local from, settled, held = tonumber(ARGV[at + 4]), tonumber(ARGV[at + 5]), tonumber(ARGV[at + 6])
    put(request, old, {ARGV[at + 2], ARGV[at + 3], from, settled, held, version})
  end
  at = at + 7
end

for i = at, #ARGV do
  local old = charge_of(ARGV[i])
  if old then put(ARGV[i], old, nil) end
end
save()

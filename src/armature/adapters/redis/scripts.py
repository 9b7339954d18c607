"""What must happen at once in Redis, as scripts. Each may run twice without harm, because a reply can be lost.

Keys of a stream K: `K` itself (entry ids are n-0, n counts from 1), `K:identity` (random, lost with the store),
`K:id:<event id>.<epoch>` (seen within the dedupe window) and `K:later:<group>` (messages given back: when they may be delivered
again, in ms).
"""

__all__ = ["ACK", "CLAIM", "CLOSE", "HOLD", "JOIN", "PUBLISH", "RETRY", "TAIL"]

# The oldest entry a group still needs; XPENDING's summary begins with the number and the smallest id.
_FLOOR = """
local function floor_of(key)
  local floor, behind = nil, ''
  for _, row in ipairs(redis.call('XINFO', 'GROUPS', key)) do
    local group = {}
    for i = 1, #row, 2 do group[row[i]] = row[i + 1] end
    local needed = tonumber(string.match(group['last-delivered-id'], '^%d+')) + 1
    local held = redis.call('XPENDING', key, group['name'])
    if held[1] > 0 then needed = math.min(needed, tonumber(string.match(held[2], '^%d+'))) end
    if not floor or needed < floor then floor, behind = needed, group['name'] end
  end
  return floor, behind
end
"""

_LAST = """
local function last_of(key)
  if redis.call('EXISTS', key) == 0 then return 0 end
  local row = redis.call('XINFO', 'STREAM', key)
  for i = 1, #row, 2 do
    if row[i] == 'last-generated-id' then return tonumber(string.match(row[i + 1], '^%d+')) end
  end
end
"""

PUBLISH = f"""{_FLOOR}{_LAST}
-- ARGV: entries_max, dedupe ms, then per message: key, type, line, payload. Returns the count stored, and who is in the way.
local key, max, window = KEYS[1], tonumber(ARGV[1]), ARGV[2]
local room = max - redis.call('XLEN', key)
local count = (#ARGV - 2) / 4
local last = last_of(key)
local behind = ''
if room < count and last > 0 then
  local floor
  floor, behind = floor_of(key)
  -- The newest entry stays: it tells how far this store is.
  redis.call('XTRIM', key, 'MINID', math.min(floor or last, last))
  room = max - redis.call('XLEN', key)
end
for i = 0, count - 1 do
  local at = 3 + i * 4
  local seen = key .. ':id:' .. ARGV[at]
  if redis.call('EXISTS', seen) == 0 then
    if room < 1 then return {{i, behind}} end
    last = last + 1
    redis.call('XADD', key, last .. '-0', 't', ARGV[at + 1], 'h', ARGV[at + 2], 'b', ARGV[at + 3])
    redis.call('SET', seen, '', 'PX', window)
    room = room - 1
  end
end
return {{count, ''}}
"""

TAIL = f"""{_LAST}
-- ARGV: an identity for a store that has none. Returns identity, last number, line of the newest entry.
local key = KEYS[1]
redis.call('SET', key .. ':identity', ARGV[1], 'NX')
local newest = redis.call('XREVRANGE', key, '+', '-', 'COUNT', 1)
return {{redis.call('GET', key .. ':identity'), last_of(key), newest[1] and newest[1][2][4] or ''}}
"""

JOIN = """
-- ARGV: group, first id ('$': the next one, '0': the oldest held). Makes the group where there is none, and forgets idle members.
local key, group = KEYS[1], ARGV[1]
local made = redis.pcall('XGROUP', 'CREATE', key, group, ARGV[2], 'MKSTREAM')
if made.err and not string.find(made.err, 'BUSYGROUP') then return made end
for _, row in ipairs(redis.call('XINFO', 'CONSUMERS', key, group)) do
  local member = {}
  for i = 1, #row, 2 do member[row[i]] = row[i + 1] end
  if member['pending'] == 0 and member['idle'] > 3600000 then redis.call('XGROUP', 'DELCONSUMER', key, group, member['name']) end
end
return 1
"""

CLAIM = f"""{_LAST}
-- ARGV: group, member, limit, ack ms, in order, then the types. Returns the newest number, ms until the next look, and of each
-- message: id, attempt, line, payload.
local key, group, member = KEYS[1], ARGV[1], ARGV[2]
local limit, ack, in_order = tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[5] == '1'
local types = {{}}
for i = 6, #ARGV do types[ARGV[i]] = true end
local later = key .. ':later:' .. group
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local found, look = {{}}, ack

local function deliver(id)
  local attempt = redis.call('XPENDING', key, group, id, id, 1)
  local entry = redis.call('XCLAIM', key, group, member, 0, id)
  redis.call('ZREM', later, id)
  if entry[1] then
    local fields = entry[1][2]
    found[#found + 1] = {{id, attempt[1][4] + 1, fields[4], fields[6]}}
  else
    redis.call('XACK', key, group, id)
  end
end

-- What was delivered before comes first: given back and due, or abandoned.
local from, pages = '-', 0
local held = 0
while #found < limit and pages < 20 do
  local rows = redis.call('XPENDING', key, group, from, '+', in_order and 1 or 100)
  held = held + #rows
  for _, row in ipairs(rows) do
    local due = redis.call('ZSCORE', later, row[1])
    local wait = due and (due - now) or (ack - row[3])
    if wait <= 0 then
      if #found < limit then deliver(row[1]) end
    elseif wait < look then look = wait end
    from = '(' .. row[1]
  end
  pages = pages + 1
  if in_order or #rows < 100 then break end
end

local scanned = 0
while #found < limit and not (in_order and held > 0) and scanned < 2000 do
  local got = redis.call('XREADGROUP', 'GROUP', group, member, 'COUNT', in_order and 1 or limit - #found, 'STREAMS', key, '>')
  if not got then break end
  for _, entry in ipairs(got[1][2]) do
    local fields = entry[2]
    scanned = scanned + 1
    if types[fields[2]] then
      found[#found + 1] = {{entry[1], 1, fields[4], fields[6]}}
      held = held + 1
    else
      redis.call('XACK', key, group, entry[1])
    end
  end
end
if scanned >= 2000 and #found == 0 then look = 0 end
return {{last_of(key), look, found}}
"""

_MINE = """
-- ARGV: group, member, id, attempt, ms. True while this member has this delivery in hand.
local key, group, member, id = KEYS[1], ARGV[1], ARGV[2], ARGV[3]
local row = redis.call('XPENDING', key, group, id, id, 1)[1]
local mine = row and row[2] == member and row[4] == tonumber(ARGV[4])
"""

RETRY = f"""{_MINE}
if not mine then return 0 end
local time = redis.call('TIME')
redis.call('ZADD', key .. ':later:' .. group, time[1] * 1000 + math.floor(time[2] / 1000) + ARGV[5], id)
return 1
"""

HOLD = f"""{_MINE}
if not mine then return 0 end
redis.call('ZREM', key .. ':later:' .. group, id)
redis.call('XCLAIM', key, group, member, 0, id, 'JUSTID')
return 1
"""

ACK = """
-- ARGV: group, ids.
for i = 2, #ARGV do
  redis.call('XACK', KEYS[1], ARGV[1], ARGV[i])
  redis.call('ZREM', KEYS[1] .. ':later:' .. ARGV[1], ARGV[i])
end
return 1
"""

CLOSE = """
-- ARGV: group, member. A member who holds nothing leaves no trace; removing one would lose what it holds.
for _, row in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])) do
  local member = {}
  for i = 1, #row, 2 do member[row[i]] = row[i + 1] end
  if member['name'] == ARGV[2] and member['pending'] == 0 then redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], ARGV[2]) end
end
return 1
"""

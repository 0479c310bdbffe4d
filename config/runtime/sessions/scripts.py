"""What runs inside Redis: each script touches the keys of one shard, and keeps time by Redis's clock.

A shard's ``epoch`` says since when Redis has known the shard, and the shape that its keys have; it is made by
``founding``, so that a missing one means that Redis lost what it had.
"""

from __future__ import annotations

import hashlib
from typing import Final

# First number of an answer.
DONE: Final = 1
FULL: Final = 0
WARMING: Final = 2
LOST: Final = -1  # no epoch
DIFFERS: Final = -2  # another shape is in use

NO_LIMIT: Final = 2**31

_BEGIN = """
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local function packed(till)
  local low = till % 4294967296
  return struct.pack('<I4I2', low, (till - low) / 4294967296)
end
local function till_of(value)
  local low, high = struct.unpack('<I4I2', value)
  return high * 4294967296 + low
end
"""

# KEYS[1]: epoch. ARGV[1]: shape, ARGV[2]: milliseconds after its last use in which another shape keeps the shard.
_CHECK = """
local epoch = redis.call('HMGET', KEYS[1], 'began', 'shape', 'used')
if not epoch[1] then return {-1} end
local began, used = tonumber(epoch[1]), tonumber(epoch[3])
if epoch[2] ~= ARGV[1] then
  if now - used < tonumber(ARGV[2]) then return {-2, epoch[2]} end
  began = now
  redis.call('HSET', KEYS[1], 'began', began, 'shape', ARGV[1])
end
if now - used >= 1000 then redis.call('HSET', KEYS[1], 'used', now) end
"""

# KEYS: epoch, bucket. ARGV[3..]: subject, session, edge, record; milliseconds: left of the lease, of a whole lease,
# grace, warm-up, life of a bucket; limits of subject, device class and title; 1 to end the oldest; 1 for no limits.
# Taken out are those that were silent for the grace, and if that is not enough and the oldest is to go, any.
_ADMIT = (
    _BEGIN
    + _CHECK
    + """
local subject, session, edge, record = ARGV[3], ARGV[4], ARGV[5], ARGV[6]
local left, lease, grace = tonumber(ARGV[7]), tonumber(ARGV[8]), tonumber(ARGV[9])
local warm, life = tonumber(ARGV[10]), ARGV[11]
local limit, class_limit, title_limit = tonumber(ARGV[12]), tonumber(ARGV[13]), tonumber(ARGV[14])
local class, title = string.byte(record, 5), string.sub(record, 7, 14)
local out = {}
if ARGV[16] ~= '1' then
  local sessions, order, fields, mine, cursor = {}, {}, {}, false, '0'
  repeat
    local found = redis.call('HSCAN', KEYS[2], cursor, 'MATCH', subject .. '*', 'COUNT', '1000')
    cursor = found[1]
    for i = 1, #found[2], 2 do
      local field, value = found[2][i], found[2][i + 1]
      local till, id = till_of(value), string.sub(field, #subject + 1, -3)
      if till <= now then
        redis.call('HDEL', KEYS[2], field)
      elseif id == session then
        mine = true
      else
        fields[#fields + 1] = {field = field, id = id, value = value}
        local at = struct.unpack('<I4', string.sub(value, 7, 10))
        local one = sessions[id]
        if not one then
          one = {id = id, till = till, at = at,
            class = string.byte(value, 11) == class, title = string.sub(value, 13, 20) == title}
          sessions[id] = one
          order[#order + 1] = one
        else
          one.till = math.max(one.till, till)
          one.at = math.min(one.at, at)
        end
      end
    end
  until cursor == '0'
  if not mine then
    if now - began < warm then return {2, began + warm - now} end
    table.sort(order, function(a, b)
      if a.at ~= b.at then return a.at < b.at end
      return a.id < b.id
    end)
    local all, of_class, of_title = #order, 0, 0
    for _, one in ipairs(order) do
      if one.class then of_class = of_class + 1 end
      if one.title then of_title = of_title + 1 end
    end
    local function over()
      return all >= limit or of_class >= class_limit or of_title >= title_limit
    end
    local function take(kind, test)
      for _, one in ipairs(order) do
        if not over() then return end
        local helps = all >= limit or (of_class >= class_limit and one.class)
          or (of_title >= title_limit and one.title)
        if not one.out and helps and test(one) then
          one.out = kind
          out[#out + 1] = one
          all = all - 1
          if one.class then of_class = of_class - 1 end
          if one.title then of_title = of_title - 1 end
        end
      end
    end
    take('quiet', function(one) return one.till <= now + lease - grace end)
    if ARGV[15] == '1' then take('replaced', function(one) return true end) end
    if over() then
      local playing = {0}
      for _, one in ipairs(fields) do
        playing[#playing + 1] = one.id
        playing[#playing + 1] = one.value
      end
      return playing
    end
    for _, one in ipairs(fields) do
      if sessions[one.id].out then redis.call('HDEL', KEYS[2], one.field) end
    end
  end
end
redis.call('HSET', KEYS[2], subject .. session .. edge, packed(now + left) .. record)
if edge ~= '--' then redis.call('HDEL', KEYS[2], subject .. session .. '--') end
redis.call('PEXPIRE', KEYS[2], life)
local answer = {1, began}
for _, one in ipairs(out) do
  answer[#answer + 1] = one.out
  answer[#answer + 1] = one.id
end
return answer
"""
)

# KEYS: epoch, a bucket to sweep, buckets. ARGV[3..]: milliseconds of warm-up and of a bucket's life, then one for each
# session: the number of its bucket (a byte), what is left of its lease (four), its record, its field. A lease that has
# ended is not renewed, since its place may be taken; while warming all come back.
_RENEW = (
    _BEGIN
    + _CHECK
    + """
local warming, life = now - began < tonumber(ARGV[3]), ARGV[4]
local all = redis.call('HGETALL', KEYS[2])
for i = 1, #all, 2 do
  if till_of(all[i + 1]) <= now then redis.call('HDEL', KEYS[2], all[i]) end
end
local answer, touched = {1, began}, {}
for i = 5, #ARGV do
  local number, left = struct.unpack('<I1I4', ARGV[i])
  local key, record, field = KEYS[number], string.sub(ARGV[i], 6, 45), string.sub(ARGV[i], 46)
  local held = redis.call('HGET', key, field)
  if warming or (held and till_of(held) > now) then
    redis.call('HSET', key, field, packed(now + left) .. record)
    touched[key] = true
  else
    answer[#answer + 1] = i - 5
  end
end
for key in pairs(touched) do redis.call('PEXPIRE', key, life) end
return answer
"""
)

# KEYS: bucket. ARGV: subject, session, edge; 1 for the records of all edges. Else a reservation stays: edges take it
# out when they admit, so that the catalog has renewed the one that is there since, for a player that may be paused.
_END = """
local mine = ARGV[1] .. ARGV[2]
if ARGV[4] ~= '1' then
  return redis.call('HDEL', KEYS[1], mine .. ARGV[3])
end
local ended, cursor = 0, '0'
repeat
  local found = redis.call('HSCAN', KEYS[1], cursor, 'MATCH', ARGV[1] .. '*', 'COUNT', '1000')
  cursor = found[1]
  for i = 1, #found[2], 2 do
    if string.sub(found[2][i], 1, -3) == mine then
      ended = ended + redis.call('HDEL', KEYS[1], found[2][i])
    end
  end
until cursor == '0'
return ended
"""

# KEYS: bucket. ARGV: subject; 1 to delete them. The live ones, or how many there were.
_OF_SUBJECT = (
    _BEGIN
    + """
local answer, deleted, cursor = {now}, 0, '0'
repeat
  local found = redis.call('HSCAN', KEYS[1], cursor, 'MATCH', ARGV[1] .. '*', 'COUNT', '1000')
  cursor = found[1]
  for i = 1, #found[2], 2 do
    if ARGV[2] == '1' then
      deleted = deleted + redis.call('HDEL', KEYS[1], found[2][i])
    elseif till_of(found[2][i + 1]) > now then
      answer[#answer + 1] = found[2][i]
      answer[#answer + 1] = found[2][i + 1]
    end
  end
until cursor == '0'
if ARGV[2] == '1' then return deleted end
return answer
"""
)

# KEYS: buckets.
_PAGE = (
    _BEGIN
    + """
local answer = {now}
for _, key in ipairs(KEYS) do
  local all = redis.call('HGETALL', key)
  for i = 1, #all, 2 do
    if till_of(all[i + 1]) > now then
      answer[#answer + 1] = all[i]
      answer[#answer + 1] = all[i + 1]
    end
  end
end
return answer
"""
)

# KEYS: the epoch of all. Since when this Redis has known of sessions, and whether the shards have been founded.
_KNOWN_SINCE = (
    _BEGIN
    + """
redis.call('HSETNX', KEYS[1], 'began', string.format('%.0f', now - ARGV[1]))
local epoch = redis.call('HMGET', KEYS[1], 'began', 'founded')
return {tonumber(epoch[1]), epoch[2] and 1 or 0}
"""
)

# KEYS: the epoch of a shard. ARGV: shape; milliseconds since when it has been known, or nothing: since now.
_FOUND = (
    _BEGIN
    + """
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
local began = ARGV[2] == '' and string.format('%.0f', now) or ARGV[2]
redis.call('HSET', KEYS[1], 'began', began, 'shape', ARGV[1], 'used', string.format('%.0f', now))
return 1
"""
)

# KEYS: the edges by tag. ARGV: node, milliseconds after which a tag is free, tags in the order of preference.
_TAKE_TAG = (
    _BEGIN
    + """
local mine, free = nil, nil
for i = 3, #ARGV do
  local held = redis.call('HGET', KEYS[1], ARGV[i])
  local at, node = nil, nil
  if held then at, node = string.match(held, '^(%d+) (.*)$') end
  if node == ARGV[1] then mine = mine or ARGV[i] end
  if not at or now - at > tonumber(ARGV[2]) then free = free or ARGV[i] end
end
local wanted = mine or free or ARGV[3]
redis.call('HSET', KEYS[1], wanted, string.format('%.0f ', now) .. ARGV[1])
return wanted
"""
)

# KEYS: stream, count. ARGV: most entries, kind, session, subject.
_ORDER = """
local number = redis.call('INCR', KEYS[2])
redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[1], '*',
  'number', number, 'kind', ARGV[2], 'session', ARGV[3], 'subject', ARGV[4])
return number
"""

# KEYS: a title's day. ARGV: seconds to keep it, viewers.
_SAW = """
for i = 2, #ARGV do redis.call('PFADD', KEYS[1], ARGV[i]) end
redis.call('EXPIRE', KEYS[1], ARGV[1])
return 1
"""


class Script:
    """A script and the name that Redis knows it by."""

    __slots__ = ("sha", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.sha = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


ADMIT: Final = Script(_ADMIT)
RENEW: Final = Script(_RENEW)
END: Final = Script(_END)
OF_SUBJECT: Final = Script(_OF_SUBJECT)
PAGE: Final = Script(_PAGE)
KNOWN_SINCE: Final = Script(_KNOWN_SINCE)
FOUND: Final = Script(_FOUND)
TAKE_TAG: Final = Script(_TAKE_TAG)
ORDER: Final = Script(_ORDER)
SAW: Final = Script(_SAW)

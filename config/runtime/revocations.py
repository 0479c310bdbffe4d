"""Revocations in Redis: a stream of what is new, and the list of all that are in force or lately lifted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from redis.asyncio import Redis

from config.contracts.revocations import Revocation

STREAM = "kawa:{revoked}:stream"
COUNT = "kawa:{revoked}:count"
KNOWN = "kawa:{revoked}:known"  # the revocation by what it is about
ENDS = "kawa:{revoked}:ends"  # when each of them can be forgotten

_KEPT = 10_000  # entries of the stream

# Of two words about the same the greater text is the later (Revocation.to_text); what is not newer is not told again.
# A few that have ended are forgotten with each that comes, so that the list stays as long as what is in force.
_PUBLISH = """
local now = tonumber(redis.call('TIME')[1])
local told = 0
for i = 2, #ARGV, 3 do
  local name, ends, text = ARGV[i], tonumber(ARGV[i + 1]), ARGV[i + 2]
  local held = redis.call('HGET', KEYS[3], name)
  if ends > now and (not held or held < text) then
    redis.call('HSET', KEYS[3], name, text)
    redis.call('ZADD', KEYS[4], ends, name)
    local number = redis.call('INCR', KEYS[2])
    redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[1], '*', 'number', number, 'revocation', text)
    told = told + 1
  end
end
local ended = redis.call('ZRANGEBYSCORE', KEYS[4], '-inf', now, 'LIMIT', 0, 100 + 2 * told)
for _, name in ipairs(ended) do
  redis.call('HDEL', KEYS[3], name)
  redis.call('ZREM', KEYS[4], name)
end
return told
"""


async def publish(client: Redis, revocations: Sequence[Revocation]) -> None:
    """Tell every edge; telling the same again does no harm."""
    arguments: list[Any] = []
    for revocation in revocations:
        arguments += (revocation.field, revocation.until, revocation.to_text())
    if arguments:
        await client.eval(_PUBLISH, 4, STREAM, COUNT, KNOWN, ENDS, _KEPT, *arguments)

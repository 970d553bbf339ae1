"""A budget of several processes: its numbers are a server's, and this process's own while the server is away.

In the server a window is a hash (`spent` and `reserved`, in billionths) and a sorted set of reservations by the time at
which they count as spent. Scripts run as a whole there, by the server's clock.
"""

from __future__ import annotations

import secrets
from typing import Any

import msgspec

from ..core import forks
from ..redis.server import RedisServer, Unreachable
from .windows import Window

PREFIX = "miiflow_llm:budget:"
HOLD_SECONDS = 900
"""After so many seconds a reservation counts as spent: whoever made it may be gone."""
_TELLING = 5.0
"""Seconds that telling what a call cost may take: nobody waits for it."""

_EXPIRE = """
local now = tonumber(redis.call('time')[1])
for _, one in ipairs(redis.call('zrangebyscore', KEYS[2], '-inf', now)) do
  local amount = tonumber(string.match(one, ':(%-?%d+)$'))
  redis.call('zrem', KEYS[2], one)
  redis.call('hincrby', KEYS[1], 'reserved', -amount)
  redis.call('hincrby', KEYS[1], 'spent', amount)
end
"""
_TOLD = """
local spent = tonumber(redis.call('hget', KEYS[1], 'spent') or '0')
local reserved = tonumber(redis.call('hget', KEYS[1], 'reserved') or '0')
"""
_RESERVE = f"""
{_EXPIRE}
if ARGV[5] ~= '0' then redis.call('hincrby', KEYS[1], 'spent', ARGV[5]) end
{_TOLD}
local amount, limit, kept = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[6])
local fits = spent + reserved + amount <= limit and spent < math.max(limit, 1)
if fits then
  redis.call('zadd', KEYS[2], now + tonumber(ARGV[4]), ARGV[1] .. ':' .. ARGV[2])
  redis.call('hincrby', KEYS[1], 'reserved', amount)
  reserved = reserved + amount
end
redis.call('expire', KEYS[1], kept)
redis.call('expire', KEYS[2], kept)
return {{fits and 1 or 0, tostring(spent), tostring(reserved)}}
"""
_SETTLE = f"""
if redis.call('zrem', KEYS[2], ARGV[1] .. ':' .. ARGV[2]) == 1 then
  redis.call('hincrby', KEYS[1], 'reserved', -tonumber(ARGV[2]))
  redis.call('hincrby', KEYS[1], 'spent', ARGV[3])
elseif ARGV[4] == '1' then
  redis.call('hincrby', KEYS[1], 'spent', tonumber(ARGV[3]) - tonumber(ARGV[2]))
else
  redis.call('hincrby', KEYS[1], 'spent', ARGV[3])
end
redis.call('expire', KEYS[1], ARGV[5])
{_TOLD}
return {{tostring(spent), tostring(reserved)}}
"""


class Answer(msgspec.Struct, frozen=True):
    """Whether an amount fits, what is spent and reserved, and whether the server said so."""

    fits: bool
    spent: int
    reserved: int
    id: str
    shared: bool


class SharedBudget:
    """The numbers of one budget. `by_itself` counts the calls that were decided without the server."""

    def __init__(self, server: str | RedisServer, key: str, most: int) -> None:
        self.server = RedisServer(server) if isinstance(server, str) else server
        self.by_itself = 0
        self._owned = isinstance(server, str)
        self._key = key
        self._most = most
        self._lock = forks.lock()
        self._name = ""
        self._known = (0, 0)
        self._held = 0
        self._telling = 0
        self._untold = 0

    async def reserve(self, at: Window, amount: int) -> Answer:
        """Hold an amount, if it fits."""
        named, untold = secrets.token_hex(8), self._take(at)
        try:
            found = await self.server.ask(self._reserving(at, amount, named, untold))
        except Unreachable:
            return self._by_ourselves(at, amount, named, untold)
        return self._told(at, found, named)

    def reserve_sync(self, at: Window, amount: int) -> Answer:
        """As `reserve`, in a thread."""
        named, untold = secrets.token_hex(8), self._take(at)
        try:
            found = self.server.ask_sync(self._reserving(at, amount, named, untold))
        except Unreachable:
            return self._by_ourselves(at, amount, named, untold)
        return self._told(at, found, named)

    def settle(self, held: Any, amount: int) -> None:
        """Count what a call cost in place of what was held. Nobody waits for it."""
        at, alone = held.window, 0 if held.shared else amount
        with self._lock:
            if self._name == at.name:
                self._held -= 0 if held.shared else held.amount
                self._telling += alone
        keys, kept = self._keys(at), str(int(at.kept))
        facts = [held.id, str(held.amount), str(amount), "1" if held.shared else "0", kept]

        def lost() -> None:
            """The server counts a reservation that it knows by itself, later: then only the difference is untold."""
            with self._lock:
                if self._name == at.name:
                    self._telling -= alone
                    self._untold += amount - held.amount if held.shared else amount

        def done(found: Any) -> None:
            with self._lock:
                if self._name == at.name:
                    self._telling -= alone
                    self._known = (int(float(found[0])), int(float(found[1])))

        self.server.later(lambda client: client.eval(_SETTLE, keys=keys, args=facts), done, lost, seconds=_TELLING)

    def known(self, at: Window) -> tuple[int, int]:
        """What is spent and reserved, as far as this process knows."""
        with self._lock:
            self._turn(at)
            return self._by_what_we_know()

    async def aclose(self) -> None:
        """Close the connection, unless it is somebody else's."""
        if self._owned:
            await self.server.aclose()

    def close(self) -> None:
        """As `aclose`, in a thread."""
        if self._owned:
            self.server.close()

    def _keys(self, at: Window) -> list[str]:
        # one hash tag, so that a cluster keeps both on one node
        return [f"{PREFIX}{{{self._key}}}:{at.name}", f"{PREFIX}{{{self._key}}}:{at.name}:held"]

    def _reserving(self, at: Window, amount: int, named: str, untold: int) -> Any:
        facts = [named, str(amount), str(self._most), str(HOLD_SECONDS), str(untold), str(int(at.kept))]
        return lambda client: client.eval(_RESERVE, keys=self._keys(at), args=facts)

    def _take(self, at: Window) -> int:
        """What is to be told with the next question."""
        with self._lock:
            self._turn(at)
            untold, self._untold = self._untold, 0
            return untold

    def _by_what_we_know(self) -> tuple[int, int]:
        return self._known[0] + self._untold + self._telling, self._known[1] + self._held

    def _turn(self, at: Window) -> None:
        if self._name != at.name:
            self._name, self._known = at.name, (0, 0)
            self._held = self._telling = self._untold = 0

    def _told(self, at: Window, found: Any, named: str) -> Answer:
        fits, spent, reserved = bool(int(found[0])), int(float(found[1])), int(float(found[2]))
        with self._lock:
            if self._name == at.name:
                self._known = (spent, reserved)
        return Answer(fits, spent, reserved, named, True)

    def _by_ourselves(self, at: Window, amount: int, named: str, untold: int) -> Answer:
        """Decide by what was last known of all, and by what this process has done since."""
        with self._lock:
            self._turn(at)
            self._untold += untold
            self.by_itself += 1
            spent, reserved = self._by_what_we_know()
            fits = spent + reserved + amount <= self._most and spent < max(self._most, 1)
            if fits:
                self._held += amount
        return Answer(fits, spent, reserved, named, False)

"""What processes tell each other of their targets through a Redis server: which are cooling, and which are out.

No call ever waits for the server. What others wrote is asked for beside the calls, once a second while there are any,
and what changes here is written when it changes. A server that is lost or silent changes nothing but that: each process
goes on with what it knows itself. Times are the server's own; each key has a limit on its life.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from typing import Any, Literal, TypeAlias

import msgspec

from ..choosing.health import Health, cooling, out
from ..choosing.table import Table
from ..core import clock, forks
from ..core.exceptions import ConfigurationError
from ..redis import RedisServer
from .target import Aim

EVERY = 1.0
"""Seconds between two looks at what others wrote."""
LONGEST = 3600.0
"""Seconds that another process's word holds, at most: no target is away for longer by what was written long ago."""

Kind: TypeAlias = Literal["cool", "out"]

READ = """
local t = redis.call('TIME')
local found = {tostring(t[1] * 1000 + math.floor(t[2] / 1000))}
for i, key in ipairs(KEYS) do
  local one = redis.call('HMGET', key, 'cool', 'out', 'why')
  for j = 1, 3 do found[#found + 1] = one[j] or '' end
end
return found
"""
"""The server's time in ms, then of each target until when it cools, until when it is out, and why."""

WRITE = """
local t = redis.call('TIME')
local kind, ms, why = ARGV[1], tonumber(ARGV[2]), ARGV[3]
local ends = t[1] * 1000 + math.floor(t[2] / 1000) + ms
if ends > (tonumber(redis.call('HGET', KEYS[1], kind)) or 0) then
  redis.call('HSET', KEYS[1], kind, string.format('%.0f', ends))
  if kind == 'out' then redis.call('HSET', KEYS[1], 'why', why) end
  if ms > redis.call('PTTL', KEYS[1]) then redis.call('PEXPIRE', KEYS[1], ms) end
end
"""
"""Lengthen how long a target is away; never shorten it."""


class RedisState:
    """State of routers that processes share over a Redis or Valkey server; an extra, `miiflow-llm[redis]`.

    Routers of one name, with the same targets and keys, tell each other. Cooling and targets that are out are shared;
    latencies and failures are not: those are of each process's own way to its targets.

    Args:
        server: its address, `redis://...`, or a `RedisServer` that others use too.
        prefix: what its keys begin with.

    Raises:
        ConfigurationError: coredis is not installed, or the address is not one.
    """

    def __init__(self, server: str | RedisServer, *, prefix: str = "miiflow_llm:route:") -> None:
        self.server = RedisServer(server) if isinstance(server, str) else server
        self.prefix = prefix

    def __repr__(self) -> str:
        return f"RedisState({self.server!r})"


def as_state(given: RedisState | str | None) -> RedisState | None:
    """The state as routers take it.

    Raises:
        ConfigurationError: it is not one.
    """
    if given is None or isinstance(given, RedisState):
        return given
    if isinstance(given, str):
        return RedisState(given)
    raise ConfigurationError(f"state={given!r}: give a RedisState, or the address of a Redis server")


class Heard(msgspec.Struct, frozen=True):
    """What others wrote of a target, as it was heard at `at` (real monotonic seconds): for how many seconds from then
    on it cools and is out.
    """

    at: float
    cool: float
    out: float
    why: str


class SharedState:
    """The state of one router's targets."""

    def __init__(self, state: RedisState, route: str, aims: Sequence[Aim]) -> None:
        self.server = state.server
        self._keys = [f"{state.prefix}{route}:{_digest(aim)}" for aim in aims]
        self._looked = -EVERY
        self._lock = forks.lock()
        self._heard: list[Heard] | None = None

    def look(self, table: Table, now: float) -> None:
        """Take what was heard since, and ask again if it is time; it waits for nothing. `now` is the router's clock."""
        real = time.monotonic()
        if real - self._looked >= EVERY:
            self._looked = real
            keys = self._keys
            self.server.later(lambda client: client.eval(READ, keys=keys), self.hear)
        with self._lock:
            heard, self._heard = self._heard, None
        for health, one in zip(table.health, heard or (), strict=False):
            _take(health, one, real, now)

    def hear(self, found: Sequence[Any]) -> None:
        """The server answered, in whichever thread."""
        at = time.monotonic()
        now, *fields = [_text(value) for value in found]
        rows = zip(*[iter(fields)] * 3, strict=True)
        heard = [Heard(at, _left(cool, now), _left(out_until, now), why) for cool, out_until, why in rows]
        with self._lock:
            self._heard = heard

    def changed(self, target: int, health: Health, was_cool: float, was_out: float) -> None:
        """Something was learned of the target; tell others what it changed, by how things were before."""
        if health.cool_until != was_cool:
            self.tell(target, "cool", health.cool_until - clock.monotonic())
        if health.out_until != was_out:
            self.tell(target, "out", health.out_until - clock.monotonic(), health.out or "")

    def tell(self, target: int, kind: Kind, seconds: float, why: str = "") -> None:
        """The target is away for so many seconds from now on; it waits for nothing."""
        key, ms = self._keys[target], int(min(seconds, LONGEST) * 1000)
        if ms > 0:
            self.server.later(lambda client: client.eval(WRITE, keys=[key], args=[kind, str(ms), why]))


def _take(health: Health, heard: Heard, real: float, now: float) -> None:
    """A target is away at least as long as others say: never shorter than is known here."""
    age = real - heard.at
    if heard.cool > age:
        cooling(health, now + heard.cool - age)
    if heard.out > age and now + heard.out - age > health.out_until:
        out(health, heard.why or "another process says so", now + heard.out - age)


def _left(until: str, now: str) -> float:
    """The seconds until then; 0.0 if it is past or not a time."""
    try:
        seconds = (float(until) - float(now)) / 1000 if until else 0.0
    except ValueError:
        return 0.0
    return min(max(seconds, 0.0), LONGEST)


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _digest(aim: Aim) -> str:
    """A target with its key, which another process may have another of; neither can be read from it."""
    said = f"{aim.label}\0{getattr(aim.chat, 'identity', '')}"
    return hashlib.blake2b(said.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()

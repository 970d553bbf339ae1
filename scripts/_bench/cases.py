"""What is measured, as data: each case, its clients in the order of their turns, and its share of the time."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from rivals import PACKAGES

ANTHROPIC_RIVALS = ("lm15", "anthropic")
CHAT_RIVALS = tuple(rival for rival in PACKAGES if rival != "anthropic")
SLOW = {"langchain_openai": 4, "pydantic_ai": 4, "any_llm": 2, "openai": 2, "anthropic": 2, "litellm": 8}
"""A client that costs this many times more is given fewer chunks: the figure is a ratio."""
SILENT = {"httpx_bytes", "httpx_keeping"}
"""Clients that read bytes and hand out no texts."""


@dataclass(frozen=True)
class Case:
    """One situation, which `floor` is also in. `order` are the arguments of the worker's `measure`.

    `seconds` are its share of a whole run: once they are over, and three rounds are done, no further round begins.
    `fresh`: each round has new processes, where memory is measured.
    """

    name: str
    about: str
    measure: str
    clients: tuple[str, ...]
    order: dict[str, Any]
    seconds: float
    rounds: int = 7
    backend: str = "asyncio"
    floor: str = "floor"
    warm: dict[str, Any] = field(default_factory=dict)
    fresh: bool = False
    table: str = ""

    @property
    def shown(self) -> str:
        """The table that it is shown in."""
        return self.table or self.measure

    def order_for(self, client: str, *, warm: bool = False) -> dict[str, Any]:
        """The arguments for one client; for the round that only warms it up, `warm` ones in their place."""
        order = {**self.order, **(self.warm if warm else {})}
        if warm and client in SLOW and "streams" in order:
            order["streams"] = min(order["streams"], 20)
        if self.measure == "cost":
            order["chunks"] = max(order["chunks"] // SLOW.get(client, 1), 5)
            order["silent"] = client in SILENT
        return order


Clients = tuple[str, ...]
Order = dict[str, Any]
BURST: Order = {"streams": 1, "chunks": 20_000}
PACED: Order = {"streams": 200, "chunks": 60, "gap": 20}
LENGTHS: Order = {"lengths": [100, 1000, 10_000, 100_000], "total": 100_000}
FIRST: Order = {"requests": 150}
LAG: Order = {"streams": 20, "chunks": 60, "gap": 20}
MANY: Order = {"streams": 1000}
TLS: Order = {"tls": True}
ANTHROPIC: Order = {"dialect": "messages"}
IDLE = ("floor", "ours", "httpx_sse")
WAYS = ("client", "by_hand", "sse", "ndjson")
READING = ("httpx_bytes", "httpx_sse")
TRIO = ("floor_trio", "ours", "httpx_bytes")


def cases(rivals: list[str]) -> list[Case]:
    """All of them; those that the goals ask for stand first."""
    chat = tuple(rival for rival in CHAT_RIVALS if rival in rivals)
    some = tuple(rival for rival in chat if rival in ("lm15", "openai", "litellm"))
    messages = tuple(rival for rival in ANTHROPIC_RIVALS if rival in rivals)
    both, several = ("floor", "ours"), ("floor", "ours", *READING)
    burst = {"measure": "cost", "about": "1 stream, frames in large writes, CPU", "rounds": 7, "warm": {"chunks": 500}}
    paced = {"measure": "cost", "about": "200 streams, a frame each 20 ms, CPU", "rounds": 5, "warm": {"chunks": 5}}
    many = {**paced, "about": "1000 streams, a frame each 100 ms, CPU"}
    anew = {**paced, "about": "the same on connections opened for it, CPU", "table": "anew"}
    trio = {"backend": "trio", "floor": "floor_trio"}
    first = {"measure": "first", "about": "first text on a warm connection", "rounds": 7}
    idle = {"measure": "idle", "about": "1000 open streams that wait", "rounds": 2, "fresh": True}
    memory = {"measure": "memory", "about": "what a stream of 100 000 chunks (28 MB) adds at its worst"}
    length = {"measure": "curve", "about": "CPU by length of stream, 100 000 chunks in all"}
    hold = {"measure": "hold", "about": "turns of another task while a burst of 100 000 frames comes"}
    lag = {"measure": "lag", "about": "from a frame's being sent to its text, 20 streams, a frame each 20 ms"}
    relay = {
        "measure": "relay",
        "about": "CPU of a FastAPI service for a chunk on its way to 200 browsers",
    }
    imports = {"measure": "import", "about": "milliseconds to import", "floor": "httpx"}
    lag_many = {**lag, "about": "the same with 200 streams"}

    def case(name: str, kind: dict[str, Any], clients: Clients, order: Order, seconds: float, **how: Any) -> Case:
        return Case(name=name, clients=clients, order=order, seconds=seconds, **{**kind, **how})

    return [
        case("burst", burst, (*both, "floor_buffered", *READING, "ours_httpx", *chat), BURST, 45),
        case("200 streams", paced, (*both, "floor_buffered", *READING, "ours_httpx", *chat), PACED, 100),
        case("length", length, both, LENGTHS, 30, rounds=5),
        case("hold", hold, both, {"chunks": 100_000}, 8, rounds=5),
        case("first", first, (*both, "httpx_sse", *chat), FIRST, 24),
        case("first, TLS", first, both, {**FIRST, **TLS}, 5),
        case("idle", idle, IDLE, MANY, 15),
        case("idle, TLS", idle, ("bare_tls", *IDLE), {**MANY, **TLS}, 20, floor="bare_tls"),
        case("1000 streams", many, both, {**MANY, "chunks": 15, "gap": 100}, 25),
        case("200 streams, TLS", paced, (*both, "httpx_bytes"), {**PACED, **TLS}, 28),
        case("200 streams, trio", paced, TRIO, PACED, 28, **trio),
        case("200 streams, trio, TLS", paced, TRIO, {**PACED, **TLS}, 28, **trio),
        case("200 calls anew, trio", anew, (*TRIO, "httpx_keeping"), {**PACED, "anew": True}, 25, **trio),
        case("200 streams, uvloop", paced, (*both, "httpx_bytes"), PACED, 22, backend="uvloop"),
        case("lag", lag, (*both, "httpx_sse", *some), LAG, 35, rounds=3),
        case("lag, 200", lag_many, (*both, "httpx_sse"), {**LAG, "streams": 200}, 18, rounds=4),
        case("burst, uvloop", burst, several, BURST, 8, backend="uvloop"),
        case("burst, trio", burst, TRIO, BURST, 8, **trio),
        case("burst, TLS", burst, several, {**BURST, **TLS}, 8),
        case("burst, Anthropic", burst, (*several, *messages), {**BURST, **ANTHROPIC}, 14),
        case("200 streams, Anthropic", paced, (*several, *messages), {**PACED, **ANTHROPIC}, 35),
        case("memory", memory, (*IDLE, "ours_httpx"), {"chunks": 100_000}, 8, rounds=3, fresh=True),
        case("relay", relay, WAYS, PACED, 25, floor="client", rounds=3),
        case("import", imports, ("httpx", "miiflow_llm", *rivals), {}, 40),
    ]

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


ABOUT = "200 streams, a frame each 20 ms, CPU"
NEW = "the same on connections that are opened for it, CPU"
LENGTHS = {"lengths": [100, 1000, 10_000, 100_000], "total": 100_000}
LAG = {"streams": 20, "chunks": 75, "gap": 20}
LAG_200 = {"streams": 200, "chunks": 50, "gap": 20}
MANY = {"streams": 1000, "chunks": 15, "gap": 100}
IDLE = ("floor", "ours", "httpx_sse")
ANTHROPIC = {"dialect": "messages"}
READING = ("httpx_bytes", "httpx_sse")
TRIO = ("floor_trio", "ours", "httpx_bytes")


def cases(rivals: list[str]) -> list[Case]:
    """All of them; those that the goals ask for stand first."""
    chat = tuple(rival for rival in CHAT_RIVALS if rival in rivals)
    messages = tuple(rival for rival in ANTHROPIC_RIVALS if rival in rivals)
    burst, paced = {"streams": 1, "chunks": 20_000}, {"streams": 200, "chunks": 60, "gap": 20}
    brief, short = {"chunks": 500}, {"chunks": 5}
    tls = {"tls": True}
    several = ("floor", "ours", *READING)
    return [
        Case(
            "burst",
            "1 stream, frames in large writes, CPU",
            "cost",
            ("floor", "ours", *READING, "ours_httpx", *chat),
            burst,
            50,
            9,
            warm=brief,
        ),
        Case(
            "200 streams",
            "200 streams, a frame each 20 ms, CPU",
            "cost",
            ("floor", "ours", "floor_buffered", *READING, "ours_httpx", *chat),
            paced,
            130,
            5,
            warm=short,
        ),
        Case("length", "CPU by length of stream", "curve", ("floor", "ours"), LENGTHS, 35, 5),
        Case(
            "hold", "turns of another task while 100 000 frames come", "hold", several[:2], {"chunks": 100_000}, 15, 5
        ),
        Case("first", "first text, warm", "first", ("floor", "ours", "httpx_sse", *chat), {"requests": 150}, 30, 7),
        Case("first, TLS", "first text, warm, TLS", "first", ("floor", "ours"), {"requests": 150, **tls}, 8, 7),
        Case("idle", "open idle streams", "idle", IDLE, {"streams": 1000}, 15, 3, fresh=True),
        Case("idle, TLS", "open idle streams, TLS", "idle", IDLE, {"streams": 1000, **tls}, 30, 3, fresh=True),
        Case(
            "memory",
            "what a stream of 100 000 chunks (0.6 MB of text, 28 MB of frames) adds at its worst",
            "memory",
            (*IDLE, "ours_httpx", *(rival for rival in chat if rival in ("lm15", "openai"))),
            {"chunks": 100_000},
            20,
            2,
            fresh=True,
        ),
        Case("lag", "20 streams, a frame each 20 ms", "lag", ("floor", "ours", "httpx_sse", *chat), LAG, 50, 5),
        Case("lag, 200", "200 streams, a frame each 20 ms", "lag", ("floor", "ours", "httpx_sse"), LAG_200, 20, 5),
        Case("200 streams, TLS", ABOUT, "cost", ("floor", "ours", "httpx_bytes"), {**paced, **tls}, 35, 7, warm=short),
        Case("200 streams, trio", ABOUT, "cost", TRIO, paced, 35, 7, "trio", "floor_trio", warm=short),
        Case("200 streams, trio, TLS", ABOUT, "cost", TRIO, {**paced, **tls}, 35, 5, "trio", "floor_trio", warm=short),
        Case(
            "200 calls anew, trio",
            NEW,
            "cost",
            (*TRIO, "httpx_keeping"),
            {**paced, "anew": True},
            30,
            5,
            "trio",
            "floor_trio",
            table="anew",
        ),
        Case(
            "200 streams, uvloop", ABOUT, "cost", ("floor", "ours", "httpx_bytes"), paced, 25, 5, "uvloop", warm=short
        ),
        Case("burst, uvloop", "1 stream, CPU", "cost", several, burst, 8, 7, "uvloop", warm=brief),
        Case("burst, trio", "1 stream, CPU", "cost", TRIO, burst, 8, 7, "trio", "floor_trio", warm=brief),
        Case("burst, TLS", "1 stream, CPU", "cost", several, {**burst, **tls}, 8, 7, warm=brief),
        Case("1000 streams", "1000 streams, a frame each 100 ms, CPU", "cost", several[:2], MANY, 30, 5, warm=short),
        Case(
            "burst, Anthropic",
            "1 stream, CPU",
            "cost",
            (*several, *messages),
            {**burst, **ANTHROPIC},
            15,
            7,
            warm=brief,
        ),
        Case("200 streams, Anthropic", ABOUT, "cost", (*several, *messages), {**paced, **ANTHROPIC}, 40, 5, warm=short),
    ]

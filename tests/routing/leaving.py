"""Leave a hedged call at each of its waits, in each way, and see what is left behind. `scripts/soak` has more of it."""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import anyio.lowlevel
import msgspec

from miiflow_llm import Router
from miiflow_llm.core.exceptions import NetworkError

from .fakes import FakeChat, Script

Way = Callable[[Router], Awaitable[Any]]


async def chatting(router: Router) -> None:
    """A whole answer."""
    await router.chat("Hello")


async def streaming(router: Router) -> None:
    """A stream, read to its end."""
    async with router.stream_chat("Hello", after_output="restart") as stream:
        async for _ in stream:
            pass


async def leaving(router: Router) -> None:
    """A stream, left after its first chunk."""
    async with router.stream_chat("Hello") as stream:
        await anext(stream, None)


WAYS: tuple[Way, ...] = (chatting, streaming, leaving)
SCRIPTS: dict[str, tuple[Script, Script]] = {
    "the second wins": ([5.0, "slow"], [0.3, "fa", 0.2, "st"]),
    "the first wins": ([0.5, "fa", 0.1, "st"], [5.0, "slow"]),
    "both fail": ([0.5, NetworkError("reset")], [0.4, NetworkError("reset")]),
    "cut, and begun anew": ([0.1, "a", 0.1, NetworkError("reset")], [0.5, "b", 0.1, "c"]),
}


def made(scripts: tuple[Script, Script]) -> tuple[Router, list[FakeChat]]:
    """A router whose first target is known to be fast."""
    chats = [FakeChat(name, script) for name, script in zip(("first", "second"), scripts, strict=True)]
    router = Router(chats)
    for health in router.shared.table.health:
        for _ in range(30):
            health.window.add(0.2)
    return router, chats


async def left_at(step: int, way: Way, scripts: tuple[Script, Script]) -> tuple[bool, list[str]]:
    """Leave the call at its wait number `step`; whether it had ended before, and what is left behind.

    A wait is one turn of the loop in which the call stood still, or a tenth of a second of virtual time.
    """
    router, chats = made(scripts)
    ended, known = False, tasks()

    async def call() -> None:
        nonlocal ended
        try:
            await way(router)
        except NetworkError:
            pass
        ended = True

    async with anyio.create_task_group() as group:
        group.start_soon(call)
        for turn in range(step):
            await (anyio.sleep(0.05) if turn % 5 == 4 else anyio.lowlevel.checkpoint())
        before = ended
        group.cancel_scope.cancel()
    return before, left_behind(router, chats, known)


def left_behind(router: Router, chats: list[FakeChat], known: int) -> list[str]:
    """What should not be there after a call, `known` tasks apart."""
    found = [f"{chat.model} has {chat.open} open streams" for chat in chats if chat.open]
    for chat, health in zip(chats, router.shared.table.health, strict=True):
        facts = msgspec.structs.asdict(health)
        if facts["in_flight"] or facts["probing"]:
            found.append(f"{chat.model} has {facts['in_flight']} calls in flight")
        if facts["open_until"] is not None:
            found.append(f"{chat.model} is out")
    if tasks() > known:
        found.append(f"{tasks() - known} tasks")
    return found


def tasks() -> int:
    """How many tasks there are, this one among them; those that keep trio's timers are not counted."""
    gc.collect(0)
    try:
        return len(asyncio.all_tasks())
    except RuntimeError:
        trio = sys.modules["trio"]
        root = trio.lowlevel.current_root_task()
        names = [task.name for nursery in root.child_nurseries for task in nursery.child_tasks]
        return 1 + sum("_Task" in name for name in names)

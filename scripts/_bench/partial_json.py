"""What a delta of streamed JSON costs from 1 KB to 1 MB: our reader beside parsing all of the text again.

Prints the microseconds per delta, near the end of a text of each size. A parser that is not installed is left out.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import msgspec

from miiflow_llm.schema.partial_json import PartialJSON

SIZES = (1_000, 10_000, 100_000, 1_000_000)
DELTA = 16
"""Characters a delta; a model's token is about four."""
LAST = 200
"""Deltas that are timed, at the end of the text."""
ROUNDS = 5


def text_of(size: int) -> str:
    """Rows of strings, numbers and lists, as long as `size`, without their end."""
    row = {"name": "kelp and salt", "price": 1.5, "tags": ["a", "b"], "note": 'says "so"\n', "ok": True}
    rows = msgspec.json.encode([row] * (size // 80 + 1)).decode()
    return '{"rows":' + rows[: size - 8]


def live(text: str) -> Callable[[int], Any]:
    """Our reader's live value after the text up to a place."""
    reader, at = PartialJSON(), 0

    def step(end: int) -> Any:
        nonlocal at
        reader.feed(text[at:end])
        at = end
        return reader.value

    return step


def snapshot(text: str) -> Callable[[int], Any]:
    """A state of its own after each delta."""
    reader, at = PartialJSON(), 0

    def step(end: int) -> Any:
        nonlocal at
        reader.feed(text[at:end])
        at = end
        return reader.snapshot()

    return step


def again(parse: Callable[[bytes], Any]) -> Callable[[str], Callable[[int], Any]]:
    """All of the text so far, parsed anew; the bytes are at hand, so that only the parsing counts."""

    def over(text: str) -> Callable[[int], Any]:
        data = text.encode()
        return lambda end: parse(data[:end])

    return over


def readers() -> dict[str, Callable[[str], Callable[[int], Any]]]:
    """What is measured, by name."""
    found: dict[str, Callable[[str], Callable[[int], Any]]] = {"ours, live": live, "ours, snapshot": snapshot}
    try:
        import jiter

        found["jiter again"] = again(lambda data: jiter.from_json(data, partial_mode="trailing-strings"))
    except ImportError:
        print("jiter is not installed: left out")
    try:
        import pydantic_core

        found["pydantic_core again"] = again(
            lambda data: pydantic_core.from_json(data, allow_partial="trailing-strings")
        )
    except ImportError:
        print("pydantic_core is not installed: left out")
    return found


def cost(reader: Callable[[str], Callable[[int], Any]], text: str) -> float:
    """Microseconds a delta, the best of some rounds."""
    count = min(LAST, len(text) // DELTA // 2)
    ends = range(len(text) - count * DELTA, len(text), DELTA)
    best = float("inf")
    for _ in range(ROUNDS):
        step = reader(text)
        step(ends[0])
        began = time.perf_counter()
        for end in ends[1:]:
            step(end)
        best = min(best, (time.perf_counter() - began) / (len(ends) - 1))
    return best * 1e6


def main() -> None:
    """Print the table."""
    found = readers()
    print(f"microseconds per delta of {DELTA} characters, at the end of a text of so many characters")
    print(f"{'':22}" + "".join(f"{size:>12,}" for size in SIZES))
    for name, reader in found.items():
        print(f"{name:22}" + "".join(f"{cost(reader, text_of(size)):12.2f}" for size in SIZES), flush=True)


if __name__ == "__main__":
    main()

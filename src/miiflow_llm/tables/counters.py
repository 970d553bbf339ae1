"""Counters of tokens: how a provider's own counts become ours."""

from __future__ import annotations

import msgspec


class Counter(msgspec.Struct, frozen=True):
    """One of our counts as a sum of the provider's: those under `names` that were reported, `None` if none was.

    `extra` are added only if the reported `total` is not reached without them.
    """

    names: tuple[str, ...]
    extra: tuple[str, ...] = ()
    total: str = ""
    with_prompt: str = ""


def count(*names: str) -> Counter:
    """The sum of the raw counters that were reported; nothing if none was."""
    return Counter(names)


def count_unless_in_total(name: str, extra: str, *, beside: str, total: str) -> Counter:
    """`name`, plus `extra` if `beside + name + extra` is exactly the reported `total`.

    Some servers count reasoning within the completion, some beside it, and only the total tells: with a prompt of 10,
    a completion of 5 and 20 tokens of reasoning, a total of 35 says that the completion is 25, a total of 15 that it
    is 5.
    """
    return Counter((name,), (extra,), total, beside)

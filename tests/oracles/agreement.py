"""Agreement: captures and an SDK's reader in; where it says the same as our client, and where not, out."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from miiflow_llm.replay.capture import Capture
from miiflow_llm.replay.server import serving

from ..captured import arguments, read
from .sdks import Ask, Said

UNREADABLE = "cannot read it"


def ours(capture: Capture) -> Said | None:
    """Our client's reading; `None` where the stream does not end well."""
    if not capture.streaming or capture.status >= 400:
        return None
    response = read(capture).response
    if response is None or response.finish_reason is None:
        return None
    return Said(
        text=response.message.text,
        calls=[(call.name, arguments(call.arguments)) for call in response.message.tool_calls],
        finish=response.raw_finish_reason,
        prompt=response.usage.prompt_tokens,
        completion=response.usage.completion_tokens,
    )


def compare(ask: Ask, captures: Iterable[Capture]) -> dict[str, dict[str, str]]:
    """For each capture by its key: the fields in which the SDK differs, with both values; none where it agrees."""
    mine = {capture.key: (capture, said) for capture in captures if (said := ours(capture)) is not None}
    served = [msgspec.structs.replace(capture, request=None, path="/") for capture, _ in mine.values()]
    with serving(served) as server:
        return {
            key: _differences(ask, server.url_for(capture.provider, capture.name), capture, said)
            for key, (capture, said) in mine.items()
        }


def _differences(ask: Ask, url: str, capture: Capture, mine: Said) -> dict[str, str]:
    try:
        theirs = ask(url, capture)
    except Exception as error:
        return {UNREADABLE: f"{type(error).__name__}: {error}"[:300]}
    fields = (name for name in Said.__struct_fields__ if getattr(theirs, name) != getattr(mine, name))
    return {name: f"{getattr(theirs, name)!r}, ours {getattr(mine, name)!r}"[:300] for name in fields}

"""Small captures made in the tests of the replay, and what they ask with."""

from __future__ import annotations

from typing import Any

from miiflow_llm.replay.capture import Capture

ASKED = {"model": "m-1", "messages": [{"role": "user", "content": "Hi"}], "stream": True}
EVENTS = [b'data: {"n":%d,"word":"\xc3\xa9t\xc3\xa9"}\n\n' % number for number in range(5)] + [b"data: [DONE]\n\n"]
PATH = "/chat/completions"


def stream(name: str = "text", **changes: Any) -> Capture:
    """A stream of six events."""
    fields: dict[str, Any] = {
        "provider": "openai",
        "dialect": "openai_chat",
        "model": "m-1",
        "streaming": True,
        "path": "/v1/chat/completions",
        "body": b"".join(EVENTS),
        "request": ASKED,
        "headers": {"content-type": "text/event-stream", "x-request-id": "r-1"},
    }
    return Capture(name=name, **{**fields, **changes})


def whole(name: str = "whole_text", **changes: Any) -> Capture:
    """The same, not streamed."""
    body = {key: value for key, value in ASKED.items() if key != "stream"}
    fields = {"streaming": False, "body": b'{"n":1}', "request": body, "headers": {"content-type": "application/json"}}
    return stream(name, **{**fields, **changes})

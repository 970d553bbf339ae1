"""The page without a key or a network: an ASGI application over replayed answers of every kind.

`uvicorn miiflow_llm.web.demo:app` serves it. Each "model" of the provider `replay` is one scene, paced like a model.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Unpack

import httpx
import msgspec

from ..client.async_client import LLMClient
from ..core.exceptions import ConfigurationError
from ..replay.capture import Capture
from ..replay.transport import ReplayTransport
from .asgi import ChatApp, create_app
from .service import ServiceSettings

PACE = 0.03
"""Seconds between two pieces: about 33 words a second, a quick model."""
_THOUGHT = "The moon pulls at the near side of the sea more than at the far side, and that difference is the tide."
_TEXT = (
    "Tides come about because the moon pulls more strongly on the near side of the earth than on the far side. "
    "The water is drawn out into two bulges, and as the earth turns beneath them, most shores meet both in a day: "
    "twice high water, twice low. The sun does the same with less than half the strength: near new and full moon "
    "the two add up to a spring tide. 🌊"
)
_MARKDOWN = """\
## Two tides a day

The gap between high waters is about **12 h 25 min**, *not* twelve hours:

1. the earth turns once in 24 hours,
2. the moon moves on meanwhile,
   - by about 13° a day,
   - so the same shore needs 50 minutes more.

| tide | when | range |
|---|---|---|
| spring | new and full moon | large |
| neap | half moon | small |

```python
def next_high_water(last: datetime) -> datetime:
    return last + timedelta(hours=12, minutes=25)
```

The force that raises them falls with $d^3$:

$$F = \\frac{2 G M m r}{d^3}$$

> A rule of thumb: `range = high - low`. More at https://en.wikipedia.org/wiki/Tide.
"""
_USAGE = {
    "prompt_tokens": 21,
    "completion_tokens": 118,
    "total_tokens": 139,
    "completion_tokens_details": {"reasoning_tokens": 26},
}
_SHORT = {"prompt_tokens": 21, "completion_tokens": 40, "total_tokens": 61}
_LIMITED = {"error": {"message": "Rate limit reached", "type": "requests", "code": "rate_limit_exceeded"}}


def _words(field: str, text: str) -> list[dict[str, Any]]:
    return [{field: word} for word in text.replace(" ", " \0").split("\0")]


def _call(index: int, name: str, arguments: str) -> list[dict[str, Any]]:
    head = {"index": index, "id": f"call_{index}", "type": "function", "function": {"name": name, "arguments": ""}}
    pieces = [{"index": index, "function": {"arguments": piece}} for piece in arguments.replace(",", ",\0").split("\0")]
    return [{"tool_calls": [piece]} for piece in (head, *pieces)]


def _stream(deltas: Iterable[dict[str, Any]], finish: str | None, usage: dict[str, Any] = _USAGE) -> bytes:
    """An answer as OpenAI-compatible servers stream it; without `finish` it breaks off."""
    frames: list[Any] = [{"choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
    if finish is not None:
        frames.append({"choices": [{"index": 0, "delta": {}, "finish_reason": finish}]})
        frames.append({"choices": [], "usage": usage})
    body = b"".join(b"data: " + msgspec.json.encode(frame) + b"\n\n" for frame in frames)
    return body + b"data: [DONE]\n\n" if finish is not None else body


def _scene(name: str, body: bytes, status: int = 200, headers: dict[str, str] | None = None) -> Capture:
    return Capture(
        name=name,
        provider="openai-compatible",
        dialect="openai_chat",
        model=name,
        streaming=status == 200,
        path="/v1/chat/completions",
        body=body,
        status=status,
        headers=headers or {"content-type": "text/event-stream"},
    )


def scenes() -> list[Capture]:
    """The answers that the demonstration knows: one of each kind that a page must show."""
    thought, text = _words("reasoning_content", _THOUGHT), _words("content", _TEXT)
    calls = [
        *_call(0, "tide_table", '{"harbour": "Husum", "day": "2026-03-01"}'),
        *_call(1, "moon_phase", '{"day": "2026-03-01"}'),
    ]
    limited = {"content-type": "application/json", "retry-after": "20"}
    return [
        _scene("reasoning", _stream([*thought, *text], "stop")),
        _scene("text", _stream(text, "stop")),
        _scene("markdown", _stream(_words("content", _MARKDOWN), "stop")),
        _scene("tool-calls", _stream([*_words("content", "Let me look that up. "), *calls], "tool_calls", _SHORT)),
        _scene("too-long", _stream(text[:40], "length")),
        _scene("cut-short", _stream(text[:25], None)),
        _scene("rate-limited", msgspec.json.encode(_LIMITED), 429, limited),
    ]


def _whole(name: str, finish: str, message: dict[str, Any]) -> Capture:
    """The same answer in one piece, for `POST /chat`."""
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish}
    body = msgspec.json.encode({"choices": [choice], "usage": _USAGE})
    scene = _scene(f"whole_{name}", body, headers={"content-type": "application/json"})
    return msgspec.structs.replace(scene, streaming=False, model=name)


def _wholes() -> dict[str, Capture]:
    return {
        "reasoning": _whole("reasoning", "stop", {"reasoning_content": _THOUGHT, "content": _TEXT}),
        "text": _whole("text", "stop", {"content": _TEXT}),
        "too-long": _whole("too-long", "length", {"content": _TEXT[:200]}),
    }


def _client(scene: Capture, pace: float) -> LLMClient:
    whole = _wholes().get(scene.name)
    transport = ReplayTransport([scene, *([whole] if whole else [])], name=scene.name, pace=pace)
    return LLMClient.create(
        "openai-compatible",
        scene.model,
        "no-key",
        base_url="http://127.0.0.1/v1",
        max_retries=0,
        http_client=httpx.AsyncClient(transport=transport),
    )


def demo_app(*, pace: float = PACE, **settings: Unpack[ServiceSettings]) -> ChatApp:
    """The page and the service over replayed answers; `pace` is the seconds between two pieces."""
    clients = {scene.model: _client(scene, pace) for scene in scenes()}

    def choose(provider: str | None, model: str | None) -> LLMClient:
        if model not in clients:
            raise ConfigurationError(f"no scene {model!r}")
        return clients[model]

    settings.setdefault("models", {"replay": list(clients)})
    return create_app(choose, **settings)


app = demo_app()

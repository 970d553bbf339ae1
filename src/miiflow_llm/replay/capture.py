"""One recorded or constructed answer of a provider, as a value; it does not know disks, sockets or recorders."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import msgspec

from ..wire.decode.framings import MEDIA_TYPES

Origin = Literal["recorded", "constructed"]

_STREAMS = {"ollama_chat": MEDIA_TYPES["ndjson"], "bedrock_converse": MEDIA_TYPES["aws_eventstream"]}
"""What the streams of a dialect are sent as, if not as server-sent events."""


class Capture(msgspec.Struct, kw_only=True):
    """One exchange with a provider: the request as JSON for matching, the answer byte for byte.

    `name` is unique within `provider`. `dialect` is the wire format's name as everywhere in this package. `path` is
    the request's path and query as sent, without host and credentials. `request` is the JSON body that was sent,
    `None` if it is not known (such a capture answers any body). `headers` are the response headers that matter,
    names in lower case, without credentials and without what describes the transfer (content-length, ...).
    `origin` says whether a live server sent the body ("recorded", `source` names it) or it was written from the
    provider's documentation ("constructed"). `reads` are the read boundaries of a recorded one: for each read, the
    milliseconds since the response's head and the number of bytes, counted after content decoding; `None` if
    they are not known. `head_ms` is how long the head took to come, in milliseconds. `partial` means that the
    recording stopped before the body ended. `expected` is what a reader should find in it, for tests.
    `file` is the body's file, `None` for a capture that was made in memory.
    """

    name: str
    provider: str
    dialect: str
    model: str
    streaming: bool
    path: str
    body: bytes
    method: str = "POST"
    request: dict[str, Any] | None = None
    status: int = 200
    headers: dict[str, str] = {}
    origin: Origin = "constructed"
    source: str = ""
    reads: list[tuple[float, int]] | None = None
    head_ms: float | None = None
    partial: bool = False
    expected: dict[str, Any] | None = None
    file: Path | None = None

    @property
    def key(self) -> str:
        """`provider/name`: how messages name this capture."""
        return f"{self.provider}/{self.name}"

    @property
    def content_type(self) -> str:
        """The answer's content type: its own header's, else what its dialect sends."""
        return self.headers.get("content-type") or _usual_content_type(self)


def _usual_content_type(capture: Capture) -> str:
    if not capture.streaming or capture.status >= 400:
        return "application/json"
    return _STREAMS.get(capture.dialect, "text/event-stream")

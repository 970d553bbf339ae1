"""Judge a recorded stream: are its deltas, ids, usage and marks of the end as the format has them?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from ...core.messages import Message
from ...wire.decode.frames import SSEFramer
from .asking import untried
from .finding import Finding
from .format import engine
from .recording import Recorded


class Stream(msgspec.Struct):
    """A stream's frames: `frames` those that are JSON objects, `done` whether `[DONE]` came, `comments` the others'."""

    frames: list[dict[str, Any]]
    done: bool
    comments: int
    unread: list[bytes]

    @classmethod
    def of(cls, recorded: Recorded) -> Stream:
        """The stream in the bytes."""
        framer = SSEFramer()
        payloads = [frame.data for frame in (*framer.feed(recorded.body), *framer.finish())]
        read = [(payload, _object(payload)) for payload in payloads if payload.strip() != b"[DONE]"]
        comments = sum(line.startswith(b":") for line in recorded.body.splitlines())
        return cls(
            [value for _, value in read if value is not None],
            any(payload.strip() == b"[DONE]" for payload in payloads),
            comments,
            [payload for payload, value in read if value is None],
        )

    def choices(self) -> Iterator[dict[str, Any]]:
        """Every frame's first choice."""
        for frame in self.frames:
            for choice in _list(frame.get("choices"))[:1]:
                if isinstance(choice, dict):
                    yield choice

    def deltas(self) -> Iterator[dict[str, Any]]:
        """What the first choice says, frame by frame."""
        for choice in self.choices():
            if isinstance(choice.get("delta"), dict):
                yield choice["delta"]


def judge(recorded: Recorded) -> list[Finding]:
    """The findings of a stream of text."""
    if recorded.late:
        return untried("stream", recorded)
    if recorded.status != 200:
        return [Finding("stream", "differs", recorded.failure)]
    stream = Stream.of(recorded)
    return [
        _content_type(recorded),
        _framing(stream, recorded),
        _deltas(stream),
        _arrival(stream, recorded),
        _ids(stream),
        _end(stream),
        _usage(stream),
        _keep_alives(stream),
        _reading(recorded),
    ]


def _content_type(recorded: Recorded) -> Finding:
    right = recorded.content_type == "text/event-stream"
    return Finding("content type", "ok" if right else "differs", recorded.content_type or "none")


def _framing(stream: Stream, recorded: Recorded) -> Finding:
    if stream.unread:
        return Finding("frames", "differs", f"{len(stream.unread)} are not JSON objects: {stream.unread[0][:80]!r}")
    if recorded.body and not recorded.body.endswith((b"\n\n", b"\r\n\r\n", b"\r\r")):
        return Finding("frames", "ok", f"{len(stream.frames)}; the last has no blank line after it (read all the same)")
    return Finding("frames", "ok" if stream.frames else "differs", f"{len(stream.frames)} JSON objects")


def _deltas(stream: Stream) -> Finding:
    said = [delta for delta in stream.deltas() if delta.get("content")]
    if any("message" in choice for choice in stream.choices()):
        return Finding("deltas", "differs", "a whole message stands in the stream beside or in place of deltas")
    if not said:
        return Finding("deltas", "differs", "no text came in choices[0].delta.content")
    if not all(isinstance(delta["content"], str) for delta in said):
        return Finding("deltas", "differs", "delta.content is not always a string")
    if len(said) == 1:
        return Finding("deltas", "absent", "the whole text came in one delta")
    empty = sum(delta.get("content") == "" for delta in stream.deltas())
    return Finding(
        "deltas", "ok", f"{len(said)} with text" + (f", {empty} empty ones (give no output)" if empty else "")
    )


def _arrival(stream: Stream, recorded: Recorded) -> Finding:
    times = [moment for moment, _ in recorded.reads]
    if len(times) < 2 and len(stream.frames) > 2:
        return Finding("arrival", "absent", "everything came in one read: the server, or something before it, buffers")
    spread = f" over {times[-1] - times[0]:.0f} ms" if times else ""
    return Finding("arrival", "ok", f"{len(stream.frames)} frames in {len(times)} reads{spread}")


def _ids(stream: Stream) -> Finding:
    ids = {str(frame["id"]) for frame in stream.frames if frame.get("id")}
    if len(ids) == 1:
        return Finding("id", "ok", "one for the whole stream")
    return Finding("id", "absent", f"{len(ids)} different ones" if ids else "none (the answer's id is None)")


def _end(stream: Stream) -> Finding:
    reasons = [choice["finish_reason"] for choice in stream.choices() if choice.get("finish_reason")]
    known = engine().dialect.finish
    if reasons and reasons[-1] not in known:
        return Finding("end", "differs", f"finish_reason {reasons[-1]!r} is not of the format: it will read `unknown`")
    if reasons and stream.done:
        return Finding("end", "ok", f"finish_reason {reasons[-1]!r}, then [DONE]")
    if reasons:
        return Finding("end", "ok", f"finish_reason {reasons[-1]!r}, no [DONE]: the end of the bytes is waited for")
    if stream.done:
        return Finding("end", "absent", "only [DONE], no finish_reason: it will read `unknown`")
    return Finding("end", "differs", "no finish_reason and no [DONE]: a cut answer cannot be told from a whole one")


def _usage(stream: Stream) -> Finding:
    holding = [place for place, frame in enumerate(stream.frames) if isinstance(frame.get("usage"), dict)]
    if not holding:
        return Finding("usage", "absent", "none reported: every count is None")
    alone = not _list(stream.frames[holding[-1]].get("choices"))
    where = "on a frame of its own" if alone else "beside a choice"
    if len(holding) > 1:
        where = f"on {len(holding)} of {len(stream.frames)} frames (the last counts)"
    return Finding("usage", "ok", where)


def _keep_alives(stream: Stream) -> Finding:
    if not stream.comments:
        return Finding("keep-alives", "untried", "none came: the answers are too quick to need any")
    return Finding("keep-alives", "ok", f"{stream.comments} comments (they reset no deadline)")


def _reading(recorded: Recorded) -> Finding:
    """Read it as a client does."""
    reader = engine().stream("m", [Message.user("x")])
    chunks = [*reader.feed(recorded.body), *reader.finish(recorded.broken or "")]
    if reader.error is not None:
        return Finding("our reading", "differs", f"{type(reader.error).__name__}: {reader.error.message}"[:160])
    response = reader.response()
    return Finding(
        "our reading", "ok", f"{len(chunks)} chunks, {len(response.content)} characters, {response.finish_reason}"
    )


def _object(payload: bytes) -> dict[str, Any] | None:
    try:
        return msgspec.json.decode(payload, type=dict[str, Any])
    except msgspec.MsgspecError:
        return None


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []

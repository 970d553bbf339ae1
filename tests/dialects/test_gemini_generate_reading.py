"""Frames of Gemini that no capture holds: parts by their keys, blocked prompts, errors by their details."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from miiflow_llm.core import exceptions as error
from miiflow_llm.core.messages import Block, OpaqueBlock, ReasoningBlock, TextBlock, ToolCall
from miiflow_llm.wire.decode.tolerant import walk
from miiflow_llm.wire.engine import StreamReader

from .asking import engine

GEMINI = engine("gemini")
MODEL = "gemini-3.8-flash"
OWN = f"gemini/gemini_generate/{MODEL}"


def said(*parts: dict[str, Any], **candidate: Any) -> dict[str, Any]:
    """A frame with one candidate of these parts."""
    return {"candidates": [{"content": {"parts": list(parts), "role": "model"}, "index": 0, **candidate}]}


def read(*frames: Any) -> StreamReader:
    """The reader after a stream of these frames."""
    reader = GEMINI.stream(MODEL)
    for frame in frames:
        reader.feed(b"data: " + msgspec.json.encode(frame) + b"\r\n\r\n")
    reader.finish()
    return reader


def opaque(part: dict[str, Any]) -> OpaqueBlock:
    return OpaqueBlock(msgspec.Raw(msgspec.json.encode(part)), origin=OWN)


IMAGE = {"inlineData": {"mimeType": "image/png", "data": "AA=="}, "thought": True}
NEW = {"holograph": {"a": 1}, "thoughtSignature": "YQ=="}
PARTS: list[tuple[list[dict[str, Any]], list[Block]]] = [
    ([{"text": "a"}, {"text": "b"}], [TextBlock("ab")]),
    ([{"text": "a"}, {"text": "b", "thoughtSignature": "YQ=="}], [TextBlock("a"), TextBlock("b", False, "YQ==", OWN)]),
    ([{"text": "a", "thoughtSignature": "YQ=="}, {"text": "b"}], [TextBlock("a", False, "YQ==", OWN), TextBlock("b")]),
    ([{"text": "", "thoughtSignature": "YQ=="}], [TextBlock("", False, "YQ==", OWN)]),
    ([{"text": ""}, {}], []),
    ([{"text": "a", "thought": True}], [ReasoningBlock("a", origin=OWN)]),
    ([IMAGE], [opaque(IMAGE)]),
    ([NEW], [opaque(NEW)]),
    ([{"thoughtSignature": "YQ=="}], [opaque({"thoughtSignature": "YQ=="})]),
    ([{"functionCall": {}}], []),
    ([{"functionCall": {"name": "now"}}], [ToolCall("call_0", "now", "{}")]),
    (
        [{"functionCall": {"id": "s1", "name": "now", "args": {"at": 1}}, "thoughtSignature": "YQ=="}],
        [ToolCall("s1", "now", '{"at":1}', signature="YQ==", item_id="s1", origin=OWN)],
    ),
]


@pytest.mark.parametrize(("parts", "blocks"), PARTS)
def test_parts(parts: list[dict[str, Any]], blocks: list[Block]) -> None:
    """A part becomes a block by its keys, streamed in one frame or several, or whole; what is new stays as it came."""
    apart = [said(part) for part in parts]
    for frames in ([said(*parts)], apart):
        reader = read(*frames, said(finishReason="STOP"))
        assert (reader.error, reader.response().message.parts) == (None, blocks)
    whole = GEMINI.read_whole(msgspec.json.encode(said(*parts, finishReason="STOP")), MODEL)
    assert whole.message.parts == blocks


@pytest.mark.parametrize(
    "frame",
    [
        *(said(*parts) for parts, _ in PARTS),
        said({"functionCall": {"partialArgs": [{"jsonPath": "$.a"}], "willContinue": True}}),
        said(groundingMetadata={}, citationMetadata={"citations": [{"uri": "u"}]}),
        {"candidates": [{"index": 1, "content": {"parts": [{"text": "another"}]}}]},
        {"candidates": None, "promptFeedback": {"blockReason": "SAFETY"}},
        {"error": {"code": 429, "message": "no", "details": [{}, {"retryDelay": "3s"}]}},
    ],
)
def test_both_readings_agree(frame: dict[str, Any]) -> None:
    """The compiled reading and the walk make the same pieces of a frame."""
    assert GEMINI.decoder.read("", msgspec.json.encode(frame)) == walk(GEMINI.decoder.rules_for(""), frame)


def test_citations() -> None:
    """Sources come as citations, in both spellings; an empty object says nothing."""
    first = {"groundingMetadata": {}, "citationMetadata": {"citationSources": [{"uri": "a"}]}}
    last = {"groundingMetadata": {"webSearchQueries": ["tide"]}, "citationMetadata": {"citations": [{"uri": "b"}]}}
    reader = read(said({"text": "a"}, **first), said(finishReason="STOP", **last))
    assert reader.response().citations == [{"uri": "a"}, {"uri": "b"}, {"webSearchQueries": ["tide"]}]


@pytest.mark.parametrize(
    ("word", "reason"),
    [("MODEL_ARMOR", "content_filter"), ("CONTINUATION", "length"), ("OTHER", "unknown"), ("UNHEARD_OF", "unknown")],
)
def test_finish(word: str, reason: str) -> None:
    """Every word for the end has one meaning; the provider's own stays beside it."""
    response = read(said({"text": "a"}, finishReason=word)).response()
    assert (response.finish_reason, response.raw_finish_reason) == (reason, word)


@pytest.mark.parametrize(
    ("word", "kind", "retried"),
    [
        ("MALFORMED_FUNCTION_CALL", error.ServiceUnavailableError, False),
        ("MISSING_THOUGHT_SIGNATURE", error.InvalidRequestError, False),
    ],
)
def test_failed_answers(word: str, kind: type[error.ProviderError], retried: bool) -> None:
    """An answer that ends as a failure raises it, in the provider's words."""
    raised = read(said(finishReason=word, finishMessage="why")).error
    assert isinstance(raised, kind)
    assert (raised.message, raised.code, raised.retryable) == ("why", word, retried)


RETRY = {"@type": "google.rpc.RetryInfo", "retryDelay": "34.5s"}


def quota(name: str) -> dict[str, Any]:
    return {"violations": [{"quotaId": "GenerateRequestsPerMinute"}, {"quotaId": name}]}


@pytest.mark.parametrize(
    ("status", "word", "details", "kind", "code", "wait", "retried"),
    [
        (429, "RESOURCE_EXHAUSTED", [{}, RETRY], error.RateLimitError, "RESOURCE_EXHAUSTED", 34.5, True),
        (
            429,
            "RESOURCE_EXHAUSTED",
            [quota("GenerateRequestsPerDay"), RETRY],
            error.QuotaExceededError,
            "RESOURCE_EXHAUSTED",
            34.5,
            False,
        ),
        (
            400,
            "INVALID_ARGUMENT",
            [RETRY, {"reason": "API_KEY_INVALID"}],
            error.AuthenticationError,
            "API_KEY_INVALID",
            34.5,
            False,
        ),
        (409, "ABORTED", [], error.ServiceUnavailableError, "ABORTED", None, True),
        (501, "UNIMPLEMENTED", [], error.InvalidRequestError, "UNIMPLEMENTED", None, False),
    ],
)
def test_errors(
    status: int,
    word: str,
    details: list[dict[str, Any]],
    kind: type[error.ProviderError],
    code: str,
    wait: float | None,
    retried: bool,
) -> None:
    """An error is the same before a stream, as a list, in a frame and as bare JSON; its details decide what it is."""
    frame = {"error": {"code": status, "message": "no", "status": word, "details": details}}
    text = msgspec.json.format(msgspec.json.encode(frame))
    bare = GEMINI.stream(MODEL)
    bare.feed(text)
    bare.finish()
    for raised in (
        GEMINI.error(status, {}, text, MODEL),
        GEMINI.error(status, {}, b"[" + text + b"]", MODEL),
        read(said({"text": "a"}), frame).error,
        bare.error,
    ):
        assert type(raised) is kind
        assert (raised.status_code, raised.code, raised.retry_after, raised.retryable) == (status, code, wait, retried)

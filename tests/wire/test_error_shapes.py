"""Errors inside answers with a status of 200, in every shape that servers give them, in every dialect.

Wherever one stands, before the answer, in it or after its finish, and whatever follows it, the call ends in a typed
error with the words and with what had come. What is not an error is not taken for one.
"""

from __future__ import annotations

from typing import Any

import httpx
import msgspec
import pytest

from miiflow_llm import SyncLLMClient
from miiflow_llm.core.exceptions import MiiflowLLMError, ProviderError
from miiflow_llm.core.response import ChatResponse
from miiflow_llm.replay.fake import fake_body
from miiflow_llm.wire.decode.failures import failure_in
from miiflow_llm.wire.engine import Engine, StreamReader

from ..dialects.asking import engine

SPOKEN = {
    "openai_chat": "openai",
    "openai_responses": "openai",
    "anthropic_messages": "anthropic",
    "gemini_generate": "gemini",
    "mistral_chat": "mistral",
    "ollama_chat": "ollama",
    "cohere_v2": "cohere",
}
WITH_WORDS: tuple[Any, ...] = (
    {"object": "error", "message": "died", "code": 500},
    {"object": "error", "message": "died", "type": "BadRequestError", "param": None, "code": 400},
    {"id": "x", "object": "error", "choices": [], "message": "died"},
    {"errors": [{"message": "died", "code": 7}]},
    {"errors": ["died"]},
    {"errors": {"model": ["died"]}},
    {"result": None, "success": False, "errors": [{"code": 1, "message": "died"}], "messages": []},
    {"error": "died"},
    {"error": True, "message": "died"},
    {"error": {"error": {"message": "died"}}},
    {"error": {"message": {"text": "died"}}},
    {"error": {}, "detail": "died"},
    {"error": None, "message": "died"},
    {"error": "ServiceError", "message": "died"},
    {"choices": [], "error": "died"},
    {"choices": [{"index": 0, "delta": {}, "error": {"message": "died", "code": 502}}]},
    {"choices": [{"index": 0, "error": "died"}]},
    {"choices": [{"delta": {"error": {"message": "died"}}}]},
    {"choices": [{"message": {"error": {"message": "died"}}}]},
    {"Error": "died"},
    {"ERROR": {"Message": "died"}},
    {"err": {"message": "died"}},
    {"exception": "died"},
    {"fault": {"faultstring": "died", "detail": {"errorcode": "x"}}},
    {"success": False, "message": "died"},
    {"success": "false", "msg": "died"},
    {"success": False, "error_details": "died"},
    {"ok": False, "description": "died"},
    {"status": "error", "message": "died"},
    {"status": "failed", "reason": "died"},
    {"status": 500, "title": "Internal", "detail": "died"},
    {"statusCode": 500, "message": "died"},
    {"type": "error", "message": "died"},
    {"type": "error", "error": {"type": "overloaded_error", "message": "died"}},
    {"code": 1234, "msg": "died"},
    {"code": "InvalidParameter", "message": "died", "request_id": "q"},
    {"base_resp": {"status_code": 1004, "status_msg": "died"}},
    {"error_code": 336, "error_msg": "died", "id": "as-1"},
    {"errorMessage": "died", "errorType": "Runtime"},
    {"__type": "ThrottlingException", "message": "died"},
    {"detail": [{"loc": ["body", "x"], "msg": "died", "type": "value_error"}]},
    {"detail": {"error": "died"}},
    {"data": {"error": {"message": "died"}}},
    {"response": {"error": {"message": "died"}}},
    {"message": {"error": "died"}},
    [{"error": {"code": 503, "message": "died", "status": "UNAVAILABLE"}}],
    {"message": "died"},
    {"Message": "died"},
    {"msg": "died"},
    {"detail": "died"},
    {"traceback": "died"},
)
WITHOUT_WORDS: tuple[Any, ...] = (
    {"error": {"message": None, "code": 500, "type": "x"}},
    {"error": 500},
    {"code": 500},
    {"status": "error"},
    {"ok": False},
    {"success": False},
)
NO_ERRORS: tuple[Any, ...] = (
    {},
    None,
    [],
    {"error": None},
    {"error": ""},
    {"error": {"code": 0, "message": ""}},
    {"errors": [], "warnings": ["slow"]},
    {"base_resp": {"status_code": 0, "status_msg": ""}},
    {"success": True, "message": "ok"},
    {"code": 0, "message": "ok"},
    {"code": 0, "data": {"answer": "hello"}},
    {"code": 200, "msg": "success"},
    {"status": "processing"},
    {"message": "hello", "usage": {"total_tokens": 3}},
    {"id": "x", "message": "hello", "choices": [{"index": 0}]},
    {"queue_position": 3, "info": "you wait"},
)
PLACES = ("first", "in it", "after its finish")


def frames(dialect: str, shape: Any, place: str) -> bytes:
    """An answer with the error in it; the answer goes on after it, but for an error after the finish."""
    body = fake_body(dialect, text="The sea").body
    gap = b"\n" if dialect == "ollama_chat" else b"\n\n"
    told = [frame + gap for frame in body.split(gap) if frame]
    wrong = (b"" if dialect == "ollama_chat" else b"data: ") + msgspec.json.encode(shape) + gap
    said = next(number for number, frame in enumerate(told) if b"The " in frame) + 1
    at = {"first": 0, "in it": said}[place] if place != PLACES[2] else place_of_finish(told)
    return b"".join((*told[:at], wrong, *told[at:]))


def place_of_finish(told: list[bytes]) -> int:
    """How many frames there are up to the one with the finish reason."""
    words = (b'"finish_reason":"', b'"finishReason":"', b'"stop_reason":"e')
    return 1 + next(number for number, frame in enumerate(told) if any(word in frame for word in words))


def read(dialect: str, body: bytes) -> StreamReader:
    """The reader after the stream."""
    reader = engine(SPOKEN[dialect], dialect).stream("m")
    reader.feed(body)
    reader.finish()
    return reader


ENDS_THERE = {"openai_responses", "ollama_chat", "cohere_v2"}
"""Where the finish reason stands in the mark of the end: nothing is read after it, the connection goes back."""


@pytest.mark.parametrize(
    ("dialect", "place"),
    [(dialect, place) for dialect in SPOKEN for place in PLACES if place != PLACES[2] or dialect not in ENDS_THERE],
)
def test_in_streams(dialect: str, place: str) -> None:
    """Each shape at each place is a typed error with the words and what had come."""
    for shape in (*WITH_WORDS, *WITHOUT_WORDS):
        reader = read(dialect, frames(dialect, shape, place))
        failure = reader.error
        assert isinstance(failure, ProviderError), shape
        assert ("died" in failure.message) is (shape in WITH_WORDS), (shape, failure)
        assert failure.partial is not None
        assert failure.partial.message.text == {"first": "", "in it": "The "}.get(place, "The sea")
        assert failure.partial.finish_reason is None


@pytest.mark.parametrize("dialect", SPOKEN)
def test_whole(dialect: str) -> None:
    """A body that is nothing but an error is one."""
    spoken: Engine = engine(SPOKEN[dialect], dialect)
    for shape in (*WITH_WORDS, *WITHOUT_WORDS):
        with pytest.raises(ProviderError) as caught:
            spoken.read_whole(msgspec.json.encode(shape), "m")
        assert ("died" in caught.value.message) is (shape in WITH_WORDS), (shape, caught.value)
        assert caught.value.body


@pytest.mark.parametrize("dialect", SPOKEN)
def test_no_errors(dialect: str) -> None:
    """What says that all is well, or nothing, leaves the answer as it is."""
    for shape in NO_ERRORS:
        assert failure_in(shape) is None, shape
        reader = read(dialect, frames(dialect, shape, "in it"))
        assert reader.error is None, (shape, reader.error)
        assert reader.response().content == "The sea"


@pytest.mark.parametrize("dialect", SPOKEN)
@pytest.mark.parametrize("streaming", [True, False])
def test_front_door(dialect: str, *, streaming: bool) -> None:
    """The same through a client, for one shape of each kind."""
    for shape in (WITH_WORDS[0], WITH_WORDS[16], WITH_WORDS[26]):
        capture = fake_body(dialect, text="The sea", streaming=streaming)
        body = frames(dialect, shape, "in it") if streaming else msgspec.json.encode(shape)
        answer = httpx.Response(200, content=body, headers=capture.headers)
        with httpx.Client(transport=httpx.MockTransport(lambda _, answer=answer: answer)) as http:
            client = SyncLLMClient.create(capture.provider, "m", "k", dialect=dialect, http_client=http, max_retries=0)
            with pytest.raises(ProviderError, match="died") as caught:
                ask(client, streaming=streaming)
        assert (caught.value.partial is not None and caught.value.partial.content) == ("The " if streaming else "")


def ask(client: SyncLLMClient, *, streaming: bool) -> ChatResponse:
    """Ask, and take all of the answer."""
    if not streaming:
        return client.chat("Hello")
    with client.stream_chat("Hello") as stream:
        for _ in stream:
            pass
    return stream.response


def test_of_the_event() -> None:
    """An event that is named as an error is one, with a flat payload, plain words or nothing in it."""
    for dialect in ("anthropic_messages", "openai_responses", "cohere_v2", "openai_chat"):
        for payload in (b'{"message":"died"}', b'{"code":5,"reason":"died"}', b'"died"', b"it died", b"{}"):
            body = frames(dialect, {"x": 1}, "in it").replace(b'data: {"x":1}', b"event: error\ndata: " + payload)
            failure = read(dialect, body).error
            assert isinstance(failure, MiiflowLLMError), (dialect, payload)
            assert payload == b"{}" or "died" in failure.message
            assert failure.partial is not None
            assert failure.partial.content == "The "

"""Which capture answers a request."""

from __future__ import annotations

from typing import Any

import pytest

from miiflow_llm.replay.errors import CaptureError, NoMatchError
from miiflow_llm.replay.match import CaptureIndex, Received
from miiflow_llm.replay.secrets import Redactor

from .made import ASKED, PATH, stream, whole

GEMINI = {
    "provider": "gemini",
    "dialect": "gemini_generate",
    "model": "g-1",
    "path": "/v1beta/models/g-1:streamGenerateContent",
    "request": {"contents": []},
}


def asked(**changes: Any) -> Received:
    """The request that the captures of `made` answer."""
    return Received(**{"method": "POST", "path": PATH, "body": ASKED, **changes})


@pytest.mark.parametrize(
    ("aspect", "changes"),
    [
        ("provider", {"provider": "xai"}),
        ("method", {"method": "GET"}),
        ("path", {"path": "/responses"}),
        ("streaming", {"body": {**ASKED, "stream": False}}),
        ("model", {"body": {**ASKED, "model": "m-2"}}),
        ("body", {"body": {**ASKED, "messages": [{"role": "user", "content": "Ho"}]}}),
    ],
)
def test_every_aspect_must_agree(aspect: str, changes: dict[str, Any]) -> None:
    """A request that differs in one aspect is not answered, and the error names capture and aspect."""
    index = CaptureIndex([stream("other", request={"x": 1}, model="z"), stream()])
    assert index.find(asked()).name == "text"
    with pytest.raises(NoMatchError) as caught:
        index.find(asked(**changes))
    assert caught.value.nearest == "openai/text"
    assert aspect in caught.value.differs
    assert len(caught.value.differs) <= 2  # another model is another body


def test_the_error_shows_a_diff() -> None:
    """Where bodies differ the error shows the two lines that do."""
    body = {**ASKED, "messages": [{"role": "user", "content": "Ho"}]}
    with pytest.raises(NoMatchError) as caught:
        CaptureIndex([stream()]).find(asked(body=body))
    assert '-      "content": "Hi"' in str(caught.value)
    assert '+      "content": "Ho"' in str(caught.value)


@pytest.mark.parametrize(
    ("provider", "known"), [("openai", "openai has text"), (None, "there are text"), ("x", "are openai")]
)
def test_a_name_that_is_not_there(provider: str | None, known: str) -> None:
    """A request for a capture that does not exist is told the names that do."""
    with pytest.raises(NoMatchError, match=f"none of that name; .*{known}"):
        CaptureIndex([stream()]).find(asked(provider=provider, name="test"))


def test_the_nearest_is_near_in_its_words() -> None:
    """Among captures that differ in one line the nearest has the likest prompt; what it was asked is told."""

    def asking(prompt: str, model: str = "m-1") -> dict[str, Any]:
        return {**ASKED, "model": model, "messages": [{"role": "user", "content": prompt}]}

    prompts = ("When is the ferry?", "When is high water?", "Where is the moon?")
    captures = [stream(f"text_{place}", request=asking(prompt)) for place, prompt in enumerate(prompts)]
    with pytest.raises(NoMatchError, match=r"openai/text_1, POST /v1/chat/completions \(streaming, model m-1\), which"):
        CaptureIndex(captures).find(asked(body=asking("When is high water today?")))
    with pytest.raises(NoMatchError) as caught:
        CaptureIndex(captures).find(asked(body=asking("Where is the moon?", "m-2")))
    assert caught.value.nearest == "openai/text_2"


def test_key_order_and_base_url_do_not_matter() -> None:
    """The order of keys and what stands before the endpoint's path change nothing; an unknown request matches any."""
    index = CaptureIndex([stream(path="/gateway/chat/completions")])
    for path in ("/proxy/v1/chat/completions", "/chat/completions"):
        assert index.find(asked(body=dict(reversed(ASKED.items())), path=path))
    bedrock = CaptureIndex([whole(path="/model/us.n-v1%3A0/converse", model="us.n-v1:0", request={"a": 1})])
    assert bedrock.find(asked(path="/model/us.n-v1:0/converse", body={"a": 1}))
    assert CaptureIndex([stream(request=None, path="")]).find(asked(body={"model": "m-1", "stream": True}))


def test_fewer_aspects_may_be_asked_for() -> None:
    """With `match` only those aspects must agree; an unknown one is an error."""
    assert CaptureIndex([stream()], ["path"]).find(asked(body=None))
    with pytest.raises(ValueError, match="unknown aspect colour"):
        CaptureIndex([stream()], ["colour"])  # type: ignore[list-item]


def test_captures_take_turns() -> None:
    """Captures of one request are handed out in order, again from the start, or once each."""
    both = [stream("a"), stream("b")]
    turning = CaptureIndex(both)
    assert [turning.find(asked()).name for _ in range(4)] == ["a", "b", "a", "b"]
    once = CaptureIndex(both, (), repeat=False)
    assert [once.find(asked(path="/any", body=None)).name for _ in range(2)] == ["a", "b"]
    with pytest.raises(NoMatchError, match="handed out already"):
        once.find(asked())


def test_a_name_gives_the_stream_or_the_whole() -> None:
    """By name the stream is given to a streaming request and its `whole_` sibling to the other."""
    index = CaptureIndex([stream(), whole(), stream("alone")])
    other = {**ASKED, "model": "another"}
    for name in ("text", "whole_text"):
        assert index.find(asked(name=name, provider="openai", body=other)).name == "text"
        assert index.find(asked(name=name, provider="openai", body={**other, "stream": False})).name == "whole_text"
    with pytest.raises(NoMatchError, match="streaming"):
        index.find(asked(name="alone", provider="openai", body={}))
    with pytest.raises(NoMatchError, match="path"):
        index.find(asked(name="text", provider="openai", path="/v1/messages"))


def test_an_error_answers_both_kinds() -> None:
    """An error that comes before the stream answers streaming requests and others."""
    index = CaptureIndex([whole("error_before", status=429)])
    for body in (ASKED, {}):
        assert index.find(asked(name="error_before", provider="openai", body=body)).status == 429


@pytest.mark.parametrize(
    ("path", "body", "streaming", "model"),
    [
        (PATH, {"model": "a", "stream": True}, True, "a"),
        (PATH, {"model": "a"}, False, "a"),
        ("/api/chat", {"model": "a"}, True, "a"),
        ("/api/chat", {"model": "a", "stream": False}, False, "a"),
        ("/models/g:streamGenerateContent", {}, True, "g"),
        ("/models/g:generateContent", {}, False, "g"),
        ("/model/us.n-v1%3A0/converse-stream", {}, True, "us.n-v1:0"),
        ("/model/us.n-v1:0/converse", {}, False, "us.n-v1:0"),
        ("/models", None, False, None),
    ],
)
def test_each_dialect_says_stream_and_model(path: str, body: Any, streaming: bool, model: str | None) -> None:
    """Whether a stream is asked for, and of which model, is read where the dialect says it."""
    request = asked(path=path, body=body)
    assert (request.streaming, request.model) == (streaming, model)


def test_gemini_without_alt_sse_gets_no_stream() -> None:
    """A client that forgets `alt=sse` is told so instead of being given what Gemini would not send."""
    index = CaptureIndex([stream(**GEMINI)])
    path = "/models/g-1:streamGenerateContent"
    assert index.find(asked(path=path, query="alt=sse", body={"contents": []}))
    with pytest.raises(NoMatchError, match="query"):
        index.find(asked(path=path, body={"contents": []}))


def test_what_was_blotted_out_still_matches() -> None:
    """A secret in a request matches the blotted-out one in the capture; it is not shown when nothing matches."""
    redactor = Redactor(["hunter22"])
    index = CaptureIndex([stream(request={**ASKED, "user": "xxxxxxxx"})], redactor=redactor)
    assert index.find(asked(body={**ASKED, "user": "hunter22"}))
    with pytest.raises(NoMatchError) as caught:
        index.find(asked(body={**ASKED, "user": "hunter22", "n": 1}))
    assert "hunter22" not in str(caught.value)


def test_names_must_be_told_apart() -> None:
    """Two captures of one name, or a name that looks like a path, are refused; an unknown one shows the nearest."""
    with pytest.raises(CaptureError, match="two captures are called openai/text"):
        CaptureIndex([stream(), stream()])
    with pytest.raises(CaptureError, match="'chat' cannot name"):
        CaptureIndex([stream("chat")])
    with pytest.raises(CaptureError, match=r"no capture openai/texd; openai has text"):
        CaptureIndex([stream()]).get("openai", "texd")
    with pytest.raises(CaptureError, match="providers are openai"):
        CaptureIndex([stream()]).get("opnai", "text")

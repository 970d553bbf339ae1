"""The AI SDK's UI message stream: the order of its parts, what its front end sends, and the route between."""

from __future__ import annotations

from typing import Any

import anyio
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from miiflow_llm.core.messages import Message, ToolCall
from miiflow_llm.core.response import StreamChunk, ToolCallDelta
from miiflow_llm.core.tool_events import ToolFinished, ToolStarted
from miiflow_llm.web import Rejected, Turn, create_app, from_ui_messages, to_ui_stream
from miiflow_llm.web.ui_frames import UIFrames

from .servers import LAST, Scripted
from .talking import Talking, calls, says
from .test_asgi import browser, replaying
from .test_hooks import high_water

pytestmark = pytest.mark.anyio
CALL = ToolCall(id="c1", name="tide", arguments='{"at": "Husum"}')


def parts(data: bytes | str) -> list[Any]:
    """The parts of a stream; its last line is `[DONE]`."""
    text = data if isinstance(data, str) else data.decode()
    lines = [line.removeprefix("data: ") for line in text.split("\n\n") if line.startswith("data: ")]
    return [msgspec.json.decode(line) for line in lines if line != "[DONE]"]


async def streamed(*steps: Any) -> list[Any]:
    """The parts that chunks become."""
    return parts(b"".join([piece async for piece in to_ui_stream(Scripted(steps))]))


async def test_reasoning_then_text() -> None:
    """Each is begun, added to and ended, inside one step, with the facts at the end."""
    found = await streamed(StreamChunk(reasoning_delta="Hm"), StreamChunk(delta="He"), StreamChunk(delta="llo"), LAST)
    assert [part["type"] for part in found] == [
        "start", "start-step", "reasoning-start", "reasoning-delta", "reasoning-end",
        "text-start", "text-delta", "text-delta", "text-end", "finish-step", "finish",
    ]  # fmt: skip
    assert "".join(part["delta"] for part in found if part["type"] == "text-delta") == "Hello"
    assert found[-1]["finishReason"] == "stop"
    assert found[-1]["messageMetadata"]["usage"]["total_tokens"] == 5


async def test_tools_stand_in_steps() -> None:
    """A call's input comes as it is written, is whole before its step ends, and its output follows."""
    found = await streamed(
        StreamChunk(tool_call_deltas=[ToolCallDelta(0, "c1", "tide", '{"at": ')]),
        StreamChunk(tool_call_deltas=[ToolCallDelta(0, arguments='"Husum"}')]),
        StreamChunk(finish_reason="tool_calls"),
        ToolStarted(round=1, call=CALL),
        ToolFinished(round=1, call=CALL, message=Message.tool('{"high": "12:25"}', "c1")),
        StreamChunk(delta="At 12:25."),
        LAST,
    )
    assert [part["type"] for part in found] == [
        "start", "start-step", "tool-input-start", "tool-input-delta", "tool-input-delta", "tool-input-available",
        "finish-step", "tool-output-available", "start-step", "text-start", "text-delta", "text-end", "finish-step",
        "finish",
    ]  # fmt: skip
    assert found[5] == {
        "type": "tool-input-available",
        "toolCallId": "c1",
        "toolName": "tide",
        "input": {"at": "Husum"},
    }
    assert found[7]["output"] == {"high": "12:25"}


@pytest.mark.parametrize(
    ("message", "approved", "words"),
    [
        (Message.tool("ValueError: secret", "c1", is_error=True), True, "The tool failed."),
        (Message.tool("denied", "c1", is_error=True), False, "The call was not allowed to run."),
    ],
)
async def test_a_failed_call(message: Message, approved: bool, words: str) -> None:
    """What a tool raised is not shown."""
    finished = ToolFinished(round=1, call=CALL, message=message, approved=approved)
    begun = StreamChunk(tool_call_deltas=[ToolCallDelta(0, "c1", "tide", "{}")])
    found = await streamed(begun, StreamChunk(finish_reason="tool_calls"), finished, LAST)
    assert [part["errorText"] for part in found if part["type"] == "tool-output-error"] == [words]


async def test_arguments_that_are_not_json() -> None:
    """They are told as a call whose input is wrong; without any the input is an empty object."""
    deltas = [ToolCallDelta(0, "a", "x", '{"at'), ToolCallDelta(1, "b", "y")]
    found = await streamed(StreamChunk(tool_call_deltas=deltas), StreamChunk(finish_reason="tool_calls"))
    told = {part["toolCallId"]: part for part in found if part["type"].startswith("tool-input-") and "input" in part}
    assert (told["a"]["type"], told["a"]["input"]) == ("tool-input-error", '{"at')
    assert (told["b"]["type"], told["b"]["input"]) == ("tool-input-available", {})


async def test_an_id_that_comes_late() -> None:
    """The call keeps the id under which the front end knows it, and its output finds it."""
    call = ToolCall(id="late", name="tide", arguments="{}")
    found = await streamed(
        StreamChunk(tool_call_deltas=[ToolCallDelta(0, None, "tide", "{")]),
        StreamChunk(tool_call_deltas=[ToolCallDelta(0, "late", None, "}")]),
        StreamChunk(finish_reason="tool_calls"),
        ToolFinished(round=1, call=call, message=Message.tool("x", "late")),
        LAST,
    )
    assert len({part["toolCallId"] for part in found if "toolCallId" in part}) == 1


async def test_a_restart_drops_the_step() -> None:
    """What was shown of an answer that begins anew is taken back."""
    found = await streamed(StreamChunk(delta="old"), StreamChunk(delta="new", restarted=True), LAST)
    kinds = [part["type"] for part in found]
    assert kinds[4:] == ["reset-step", "text-start", "text-delta", "text-end", "finish-step", "finish"]


async def test_sources_and_values() -> None:
    """Cited pages are sources, each once; a typed answer is a part of its own."""
    cited = [{"url": "https://a.example", "title": "A"}, "https://b.example", {"url_citation": {"url": "https://a.example"}},
             {"start_index": 3}]  # fmt: skip
    last = msgspec.structs.replace(LAST, structured_output={"high": 1})
    found = await streamed(StreamChunk(delta="x", citations=cited), last)
    sources = [part for part in found if part["type"] == "source-url"]
    assert [(part["url"], part.get("title")) for part in sources] == [
        ("https://a.example", "A"),
        ("https://b.example", None),
    ]
    assert found[-2] == {"type": "data-structured-output", "data": {"high": 1}}


async def test_a_failure_ends_it() -> None:
    """Every text that was begun is ended, the error is a sentence, and nothing of the provider's shows."""
    found = await streamed(StreamChunk(delta="x"), RuntimeError("key sk-1"))
    assert [part["type"] for part in found][-2:] == ["text-end", "error"]
    assert "sk-1" not in str(found)
    assert (await streamed(StreamChunk(delta="x")))[-1]["errorText"] == "The answer broke off before its end."


STEPS = st.lists(
    st.one_of(
        st.builds(StreamChunk, delta=st.text(max_size=3), reasoning_delta=st.text(max_size=3), restarted=st.booleans()),
        st.builds(
            lambda at, text: StreamChunk(tool_call_deltas=[ToolCallDelta(at, f"c{at}", "t", text)]),
            st.integers(0, 2),
            st.sampled_from(["", "{}", "[", "🌊"]),
        ),
        st.just(StreamChunk(finish_reason="tool_calls")),
        st.just(ToolFinished(round=1, call=CALL, message=Message.tool("x", "c1", is_error=True))),
    ),
    max_size=12,
)  # fmt: skip


@given(STEPS)
def test_parts_are_nested_well(steps: list[Any]) -> None:
    """Whatever comes: texts and steps are ended, texts stand in a step, inputs are whole before their step ends."""
    frames = UIFrames(object())
    found = parts(frames.pieces(steps) + frames.pieces([LAST]) + frames.finished())
    in_step, texts, inputs = False, set[str](), set[str]()
    for part in found:
        kind = part["type"]
        if kind in ("start-step", "finish-step"):
            assert in_step is (kind == "finish-step")
            assert not texts
            assert kind == "start-step" or not inputs
            in_step = kind == "start-step"
        elif kind == "reset-step":
            assert in_step
            texts, inputs = set(), set()
        elif kind.endswith("-start"):
            (inputs if kind == "tool-input-start" else texts).add(part.get("id") or part["toolCallId"])
        elif kind in ("text-end", "reasoning-end"):
            texts.remove(part["id"])
        elif kind in ("tool-input-available", "tool-input-error"):
            inputs.remove(part["toolCallId"])
        elif kind.endswith("-delta"):
            assert (part.get("id") or part["toolCallId"]) in texts | inputs
    assert (found[0]["type"], found[-1]["type"], in_step, texts) == ("start", "finish", False, set())


UI = [
    {"id": "1", "role": "user", "parts": [
        {"type": "text", "text": "What is it?"},
        {"type": "file", "mediaType": "image/png", "url": "data:image/png;base64,aGk="},
        {"type": "file", "mediaType": "application/pdf", "filename": "a.pdf",
         "url": "data:application/pdf;base64,aGk="},
        {"type": "file", "mediaType": "audio/wav", "url": "data:audio/wav;base64,aGk="}]},
    {"id": "2", "role": "assistant", "parts": [
        {"type": "step-start"}, {"type": "reasoning", "text": "Hm"},
        {"type": "tool-tide", "toolCallId": "c1", "state": "output-available", "input": {"at": "Husum"},
         "output": {"h": 1}},
        {"type": "dynamic-tool", "toolName": "moon", "toolCallId": "c2", "state": "output-error", "errorText": "no",
         "input": {}},
        {"type": "tool-sun", "toolCallId": "c3", "state": "input-streaming"},
        {"type": "step-start"}, {"type": "text", "text": "A tide."}, {"type": "source-url", "url": "https://a.example"}]},
]  # fmt: skip


def test_what_the_front_end_sends() -> None:
    """Texts, files, calls and results become our messages, a step an answer; what a model need not know is left out."""
    said = [Message.from_dict(each) for each in from_ui_messages(UI)]
    assert [message.role for message in said] == ["user", "assistant", "tool", "tool", "tool", "assistant"]
    assert [type(block).__name__ for block in said[0].blocks()] == [
        "TextBlock", "ImageBlock", "DocumentBlock", "AudioBlock",
    ]  # fmt: skip
    assert [(call.id, call.name, call.arguments) for call in said[1].tool_calls] == [
        ("c1", "tide", '{"at":"Husum"}'), ("c2", "moon", "{}"), ("c3", "sun", "{}"),
    ]  # fmt: skip
    assert [(message.text, message.is_error) for message in said[2:5]] == [
        ('{"h":1}', False), ("no", True), ("The call was not run.", True),
    ]  # fmt: skip
    assert said[5].text == "A tide."


@pytest.mark.parametrize(
    "message",
    [{}, {"role": "user"}, {"role": "user", "parts": "x"}, {"role": "user", "parts": ["x"]}, 3,
     {"role": "user", "parts": [{"type": "file", "mediaType": "image/png"}]},
     {"role": "user", "parts": [{"type": "file", "mediaType": "audio/wav", "url": "https://a.example/a.wav"}]}],
    ids=str,
)  # fmt: skip
def test_what_is_not_a_ui_message_is_refused(message: Any) -> None:
    """With the place."""
    with pytest.raises(Rejected) as refused:
        from_ui_messages([message])
    assert (refused.value.status, str(refused.value.safe.place)[:13]) == (422, "$.messages[0]")


async def ask(app: Any, **more: Any) -> Any:
    """Post what `useChat` posts."""
    body = {"id": "chat-1", "messages": UI[:1], "trigger": "submit-message", **more}
    async with browser(app) as client:
        return await client.post("/chat/ui", json=body)


async def test_the_route() -> None:
    """It answers in the stream's own headers; tools are run; `body` of the front end sets parameters."""
    turns: list[Turn] = []
    model = Talking(calls("high_water", '{"harbour": "Husum"}'), says("At 12:25."))
    response = await ask(create_app(model.client, tools=[high_water], on_turn=turns.append), temperature=0.5)
    assert response.headers["x-vercel-ai-ui-message-stream"] == "v1"
    assert response.text.endswith("data: [DONE]\n\n")
    assert [part["output"] for part in parts(response.text) if part["type"] == "tool-output-available"] == [
        "Husum: 12:25"
    ]
    assert model.asked[0]["temperature"] == 0.5
    assert turns[0].conversation == "chat-1"


async def test_failures_are_sentences() -> None:
    """What `useChat` shows of a refused request is the body itself: one safe sentence."""
    limited = await ask(create_app(replaying(429, b"{}", {"retry-after": "20"})))
    assert (limited.status_code, limited.headers["retry-after"], limited.text[:8]) == (429, "20", "Too many")
    wrong = await ask(create_app(Talking(says("x")).client), colour="red")
    assert wrong.status_code == 422
    async with browser(create_app(Talking(says("x")).client)) as client:
        for body in (b"{", b"[]", b'{"messages":3}'):
            response = await client.post("/chat/ui", content=body, headers={"content-type": "application/json"})
            assert (response.status_code, response.headers["content-type"]) == (422, "text/plain; charset=utf-8")


async def test_heartbeats_are_comments() -> None:
    """A model that is silent keeps the connection alive without a part."""
    relay = to_ui_stream(Scripted([0.05, StreamChunk(delta="x"), LAST]), heartbeat=0.01)
    with anyio.fail_after(10):
        pieces = [piece async for piece in relay]
    assert b": heartbeat\n\n" in pieces

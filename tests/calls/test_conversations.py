"""Conversations as data, and on from one provider to another: nothing that the next one would refuse, nothing lost."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from miiflow_llm import LLMClient, Message
from miiflow_llm.core import DocumentBlock, ImageBlock, OpaqueBlock, ReasoningBlock, TextBlock, ToolCall
from miiflow_llm.core.exceptions import ConfigurationError, ParsingError
from miiflow_llm.core.messages import as_messages

from ..captured import own, read

ANSWERS = [capture for capture in own() if capture.status < 400]
CALLS = {capture.key: capture for capture in own()}
MODELS = {
    "openai": "gpt-4.1",
    "anthropic": "claude-sonnet-5-5",
    "gemini": "gemini-3.8-flash",
    "mistral": "mistral-small-latest",
    "ollama": "qwen3",
    "cohere": "command-a-03-2025",
    "groq": "openai/gpt-oss-120b",
    "deepseek": "deepseek-flash",
    "openrouter": "moonshotai/kimi-k3",
    "xai": "grok-4.6",
    "togetherai": "zai-org/GLM-5.3",
    "bedrock": "us.anthropic.claude-haiku-4-5-20251001-v1:0",
}


def answer(provider: str, name: str = "tool_call") -> Message:
    """What the provider answered in a capture."""
    found = read(CALLS[f"{provider}/{name}"])
    assert found.response is not None
    return found.response.message


def conversation(provider: str) -> list[Message]:
    """A turn with the provider's own tool call, its result, and the user again."""
    called = answer(provider)
    results = [Message.tool("High water at six.", call.id) for call in called.tool_calls]
    return [Message.system("Be brief."), Message.user("When is high water?"), called, *results, Message.user("Thanks.")]


def client(provider: str, model: str | None = None) -> LLMClient:
    """A client of the provider's."""
    return LLMClient.create(provider, model or MODELS[provider], "k", base_url="http://127.0.0.1:9")


def body(provider: str, messages: list[Message]) -> str:
    """What the provider would be sent, as JSON text."""
    plan = client(provider).plan(messages)
    return msgspec.json.encode(plan.body).decode()


@pytest.mark.parametrize("origin", MODELS)
@pytest.mark.parametrize("target", MODELS)
def test_any_provider_goes_on(origin: str, target: str) -> None:
    """A conversation with tools that began anywhere goes on anywhere: call, result and text are there."""
    messages = conversation(origin)
    call = messages[2].tool_calls[0]
    sent = body(target, messages)
    assert call.name in sent
    assert "High water at six." in sent
    assert "Thanks." in sent
    assert "Be brief." in sent


@pytest.mark.parametrize("origin", ["anthropic", "gemini", "openrouter", "bedrock"])
@pytest.mark.parametrize("target", MODELS)
def test_signatures_go_home_only(origin: str, target: str) -> None:
    """Signatures go back to the model that made them and to nobody else."""
    name = "reasoning" if origin != "gemini" else "tool_call"
    message = answer(origin, name)
    signatures = [part.signature for part in message.parts if getattr(part, "signature", None)]
    model = CALLS[f"{origin}/{name}"].model
    messages = [Message.user("x"), message, *[Message.tool("y", call.id) for call in message.tool_calls], "z"]
    sent = client(target, model if target == origin else None).plan(messages)
    text = msgspec.json.encode(sent.body).decode()
    if origin != "openrouter":
        assert signatures
    for signature in signatures:
        assert (signature in text) == (target == origin)


def test_ids_are_adapted_and_stay_paired() -> None:
    """Mistral's nine-character ids are made of any id, the same for call and result."""
    call = ToolCall("toolu_01A_long-id", "tide", "{}")
    messages = [Message.user("x"), Message.assistant(tool_calls=[call]), Message.tool("y", call.id)]
    plan = LLMClient.create("mistral", "mistral-small-latest", "k").plan(messages)
    assert plan.body is not None
    made = plan.body["messages"][1]["tool_calls"][0]["id"]
    assert len(made) == 9
    assert made.isalnum()
    assert plan.body["messages"][2]["tool_call_id"] == made


@pytest.mark.parametrize("provider", MODELS)
def test_free_text_goes_on_as_json(provider: str) -> None:
    """The text of a custom tool is JSON to providers that know functions alone, and itself to the one that knows it."""
    call = ToolCall("c", "draw", 'M 0 0 "shoal"', custom=True)
    sent = body(provider, [Message.user("x"), Message.assistant(tool_calls=[call]), Message.tool("y", "c")])
    if provider == "openai":
        assert '"type":"custom","custom":{"name":"draw","input":"M 0 0 \\"shoal\\""}' in sent
        return
    assert "custom" not in sent
    as_object, as_text = '{"input":"M 0 0 \\"shoal\\""}', r'"{\"input\":\"M 0 0 \\\"shoal\\\"\"}"'
    assert as_object in sent or as_text in sent


HOSTILE = {
    "deep": "[" * 100_000,
    "deep object": '{"a":' * 100_000,
    "huge": "1e999999",
    "long": "9" * 100_000,
}


@pytest.mark.parametrize("arguments", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("provider", ["anthropic", "gemini", "ollama", "openai"])
def test_hostile_arguments_go_on(provider: str, arguments: str) -> None:
    """Arguments that are no JSON are a typed error where they are read, and are sent as text in an object."""
    call = ToolCall("c", "tide", arguments)
    with pytest.raises(ParsingError, match="tide"):
        call.parsed()
    messages = [Message.user("x"), Message.assistant(tool_calls=[call]), Message.tool("y", "c")]
    plan = LLMClient.create(provider, MODELS[provider], "k").plan(messages)
    said = arguments.replace("\ud800", "\ufffd").replace('"', '\\"')
    assert "malformed_arguments" in str(plan.body)
    assert said in msgspec.json.encode(plan.body).decode().replace('\\\\\\"', '\\"')


def test_lone_surrogates_of_arguments() -> None:
    """A lone surrogate in the arguments is read as everywhere: as U+FFFD."""
    call = ToolCall("c", "tide", r'{"port": "\ud800", "port2": "\ud83d\ude00"}')
    assert call.parsed() == {"port": "\ufffd", "port2": "\U0001f600"}


UNSAYABLE: list[tuple[Any, dict[str, Any]]] = [
    ("x", {"extra_body": {"odd": object()}}),
]


@pytest.mark.anyio
@pytest.mark.parametrize(("words", "parameters"), UNSAYABLE, ids=["object"])
async def test_what_no_json_can_say(words: str, parameters: dict[str, Any]) -> None:
    """What cannot be written as JSON is a typed error, and nothing is sent."""
    import httpx

    async with httpx.AsyncClient(transport=httpx.MockTransport(lambda request: httpx.Response(200))) as http:
        client = LLMClient.create("openai", "gpt-4.1", "k", http_client=http)
        with pytest.raises(ConfigurationError, match="cannot be written as JSON"):
            await client.chat(words, **parameters)
        with pytest.raises(ConfigurationError, match="cannot be written as JSON"):
            async for _ in client.stream_chat(words, **parameters):
                pass


def test_a_dict_without_end_is_no_message() -> None:
    """A dict nested without end is a typed error too."""
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(ConfigurationError, match=r"message\.content"):
        Message.from_dict({"role": "user", "content": deep})


MESSAGES = [
    Message.system("s"),
    Message.user(
        [TextBlock("t"), ImageBlock("https://x/y.png", "low"), DocumentBlock.from_text("d", filename="d.txt")]
    ),
    Message.assistant("a", tool_calls=[ToolCall("i", "n", '{"x":1}')]),
    Message.tool([TextBlock("r")], "i", name="n", is_error=True),
    Message(
        "assistant",
        "b",
        parts=[
            ReasoningBlock("r", signature="s", origin="p/d/m"),
            TextBlock("b", signature="q", origin="p/d/m"),
            OpaqueBlock(msgspec.Raw(b'{"type":"search","n":[1,2.5,null]}'), origin="p/d/m"),
        ],
    ),
]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: message.role)
def test_round_trip(message: Message) -> None:
    """`to_dict` is plain JSON, and `from_dict` reads it back without loss."""
    data = msgspec.json.decode(msgspec.json.encode(message.to_dict()))
    again = Message.from_dict(data)
    assert again == message
    assert again.to_dict() == message.to_dict()
    assert [type(part) for part in again.blocks()] == [type(part) for part in message.blocks()]


STORED: list[dict[str, Any]] = [
    {"role": "system", "content": "Be brief.", "cache": "1h"},
    {
        "role": "user",
        "content": [
            {"type": "text", "text": "What?", "cache": True},
            {"type": "image_url", "image_url": "https://x/y.png", "detail": "low"},
            {"type": "document", "document_url": "https://x/y.pdf", "filename": "y.pdf", "citations": True},
            {"type": "document", "document_url": "data:text/plain;base64,SGlnaA==", "document_type": "text"},
            {"type": "audio", "data": "UklGRg==", "format": "mp3"},
        ],
        "name": "Ann",
    },
    {
        "role": "assistant",
        "content": "Six.",
        "tool_calls": [{"type": "tool_call", "id": "c", "name": "tide", "arguments": "{}"}],
        "parts": [
            {"type": "reasoning", "text": "Low.", "signature": "s", "id": "r", "origin": "p/d/m"},
            {"type": "reasoning", "data": "e", "origin": "p/d/m"},
            {"type": "opaque", "payload": {"type": "search", "n": [1, 2.5, None]}, "origin": "p/d/m"},
            {"type": "text", "text": "Six.", "item_id": "i", "phase": "final_answer", "origin": "p/d/m"},
            {"type": "tool_call", "id": "c", "name": "tide", "arguments": "{}", "item_id": "f", "origin": "p/d/m"},
        ],
    },
    {
        "role": "tool",
        "content": [{"type": "text", "text": "No."}],
        "tool_call_id": "c",
        "name": "tide",
        "is_error": True,
    },
    {"role": "assistant", "content": "", "refusal": "I cannot."},
]
"""A conversation as it may lie in somebody's database: this form does not change."""


@pytest.mark.parametrize("data", STORED, ids=lambda data: data["role"])
def test_stored_messages_are_read_for_ever(data: dict[str, Any]) -> None:
    """What was stored is read and written as it was; what a later version says beside it is not passed over."""
    message = Message.from_dict(data)
    assert message.to_dict() == data
    assert message.blocks()
    with pytest.raises(ConfigurationError, match="mood"):
        Message.from_dict({**data, "mood": "calm"})


@pytest.mark.parametrize(
    "capture", [one for one in own() if one.status < 400], ids=lambda one: one.key.replace("/", "-")
)
def test_every_answer_round_trips(capture: Any) -> None:
    """Whatever a provider answered is stored and read back, and sent again as it would have been."""
    found = read(capture)
    if found.response is None or not found.response.message.parts:
        return
    message = found.response.message
    again = Message.from_dict(msgspec.json.decode(msgspec.json.encode(message.to_dict())))
    assert again == message


def test_openai_style() -> None:
    """OpenAI-style dicts are taken as they are."""
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}
    messages = as_messages(
        [
            {"role": "developer", "content": "s"},
            {
                "role": "user",
                "content": [{"type": "text", "text": "t"}, {"type": "image_url", "image_url": {"url": "u"}}],
            },
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "c", "content": "r"},
            {"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "AA", "format": "mp3"}}]},
            {"role": "user", "content": [{"type": "file", "file": {"filename": "f.pdf", "file_data": "data:x"}}]},
            {"role": "assistant", "tool_calls": [{"id": "d", "type": "custom", "custom": {"name": "g", "input": "y"}}]},
            {"role": "assistant", "content": None, "refusal": "No."},
        ]
    )
    assert [message.role for message in messages[:5]] == ["system", "user", "assistant", "tool", "user"]
    assert messages[5].content == [DocumentBlock("data:x", filename="f.pdf")]
    assert messages[6].tool_calls == [ToolCall("d", "g", "y", custom=True)]
    assert messages[7].blocks() == [TextBlock("No.")]
    assert messages[2].tool_calls[0].parsed() == {"a": 1}
    assert isinstance(messages[1].content, list)
    assert messages[1].content[1] == ImageBlock("u")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"role": "robot", "content": "x"}, "robot"),
        ({"content": "x"}, "role"),
        ({"role": "user", "content": [{"type": "video"}]}, "video"),
        ({"role": "assistant", "tool_calls": [{"id": 3}]}, "tool_calls"),
        ({"role": "assistant", "tool_calls": [{"id": "c", "function": {}}]}, "name"),
        ({"role": "assistant", "tool_calls": [{"id": "c", "function": "f"}]}, "tool_calls"),
        ({"role": "assistant", "tool_calls": {"id": "c"}}, "tool_calls"),
        ({"role": "user", "content": [{"type": "image_url", "image_url": 3}]}, "image_url"),
        ({"role": "user", "content": [{"type": "text", "text": "x", "cache": "2h"}]}, "cache"),
        ({"role": "user", "content": 3}, "content"),
    ],
)
def test_wrong_dicts(data: dict[str, Any], words: str) -> None:
    """A dict that is no message is an error that names the place."""
    with pytest.raises(ConfigurationError, match=words):
        Message.from_dict(data)


def test_blocks_from_bytes(tmp_path: Any) -> None:
    """Media types are told from the bytes, and wrong ones refused."""
    from miiflow_llm.core import AudioBlock

    png = tmp_path / "x.png"
    png.write_bytes(b"\x89PNG\r\n\x1a\n....")
    assert ImageBlock.from_path(png, detail="low").image_url.startswith("data:image/png;base64,")
    assert DocumentBlock.from_bytes(b"%PDF-1.7").document_type == "pdf"
    assert DocumentBlock.from_bytes("Kèlp".encode()).document_url.startswith("data:text/plain")
    assert AudioBlock.from_bytes(b"RIFF....WAVE").format == "wav"
    with pytest.raises(ConfigurationError, match="application/pdf"):
        ImageBlock.from_bytes(b"%PDF-1.7")
    with pytest.raises(ConfigurationError, match="cannot read"):
        ImageBlock.from_path(tmp_path / "none.png")
    assert DocumentBlock.from_url("https://x/y.txt").document_type == "text"
    assert DocumentBlock("data:text/csv;base64,YSxi").document_type == "text"
    assert DocumentBlock("data:application/pdf;base64,JVBERi0=").document_type == "pdf"


@pytest.mark.anyio
async def test_nothing_is_fetched_unless_asked() -> None:
    """A URL is sent as it is; `inline` fetches it when asked, within bounds, from https alone."""
    import httpx

    from miiflow_llm import inline

    picture = b"\x89PNG\r\n\x1a\n...."
    asked: list[str] = []

    def respond(request: httpx.Request) -> httpx.Response:
        asked.append(str(request.url))
        return httpx.Response(200, content=picture)

    async with httpx.AsyncClient(transport=httpx.MockTransport(respond)) as http:
        block = ImageBlock("https://x/y.png", "low")
        LLMClient.create("anthropic", "claude-haiku-4-5", "k", http_client=http).plan([Message.user([block])])
        assert asked == []
        found = await inline(block, client=http)
        assert found.image_url.startswith("data:image/png")
        assert found.detail == "low"
        assert await inline(found, client=http) is found
        with pytest.raises(ConfigurationError, match="more than 4 bytes"):
            await inline(block, client=http, max_bytes=4)
        with pytest.raises(ConfigurationError, match="https"):
            await inline(ImageBlock("http://x/y.png"), client=http)

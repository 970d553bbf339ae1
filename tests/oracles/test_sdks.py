"""The vendors' own SDKs stream from the replay server and say what our client says; where they do not, the reason.

They are no dependency: each test runs where its SDK is installed (`pip install openai anthropic google-genai mistralai
groq ollama`). `pytest tests/oracles -rP` prints the agreement table.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from miiflow_llm.replay.capture import Capture

from ..captured import arguments, own, read
from ..test_sync_client import serving

pytestmark = pytest.mark.filterwarnings("ignore")

Said = tuple[str, list[tuple[str, Any]]]
USER: Any = [{"role": "user", "content": "Hello"}]

THEIRS: dict[str, dict[str, str]] = {
    "openai": {
        "openai/custom_tool": "the SDK's types have no custom calls in a stream's pieces",
        "openai-compatible/bom_and_cr_line_ends": "the SDK loses the first event after a byte order mark",
        "openai-compatible/two_tools": "two calls without ids, both of index 0: by index alone they run together",
    },
    "openai responses": {
        "xai/responses_server_side_search": "a search that xAI ran itself comes as a custom call",
    },
    "anthropic": {
        "anthropic/text_in_block_start": "a compatible server's habit: the SDK leaves it to its caller",
    },
}
"""Captures that an SDK reads otherwise, and why."""


def openai_chat(url: str, capture: Capture) -> Said:
    """The openai SDK, chat."""
    openai = pytest.importorskip("openai")
    client = openai.OpenAI(base_url=url, api_key="k", max_retries=0)
    return chat_pieces(client.chat.completions.create(model="m", messages=USER, stream=True))


def groq_chat(url: str, capture: Capture) -> Said:
    """The groq SDK."""
    groq = pytest.importorskip("groq")
    client = groq.Groq(base_url=url, api_key="k", max_retries=0)
    return chat_pieces(client.chat.completions.create(model="m", messages=USER, stream=True))


def chat_pieces(stream: Any) -> Said:
    """Text and calls of a chat stream, pieces joined by index."""
    text, calls = "", dict[int, list[str]]()
    for chunk in stream:
        for choice in chunk.choices or []:
            if choice.index:
                continue
            text += choice.delta.content or ""
            for piece in choice.delta.tool_calls or []:
                call = calls.setdefault(piece.index, ["", ""])
                if piece.function:
                    call[0] += piece.function.name or ""
                    call[1] += piece.function.arguments or ""
    return text, [(name, arguments(text)) for name, text in calls.values()]


def openai_responses(url: str, capture: Capture) -> Said:
    """The openai SDK, Responses."""
    openai = pytest.importorskip("openai")
    client = openai.OpenAI(base_url=url, api_key="k", max_retries=0)
    text, calls = "", []
    for item in client.responses.create(model="m", input="Hello", stream=True):
        if item.type == "response.output_text.delta":
            text += item.delta
        elif item.type == "response.output_item.done" and item.item.type in ("function_call", "custom_tool_call"):
            calls.append((item.item.name, arguments(getattr(item.item, "arguments", None) or item.item.input)))
    return text, calls


def anthropic_messages(url: str, capture: Capture) -> Said:
    """The anthropic SDK."""
    anthropic = pytest.importorskip("anthropic")
    client = anthropic.Anthropic(base_url=url, api_key="k", max_retries=0)
    text, calls, pieces = "", [], dict[int, str]()
    for item in client.messages.create(model="m", max_tokens=9, messages=USER, stream=True):
        if item.type == "content_block_start" and item.content_block.type == "tool_use":
            calls.append((item.index, item.content_block.name, item.content_block.input))
        elif item.type == "content_block_delta":
            text += getattr(item.delta, "text", "") or ""
            pieces[item.index] = pieces.get(item.index, "") + (getattr(item.delta, "partial_json", "") or "")
    return text, [(name, arguments(pieces.get(index) or json.dumps(given))) for index, name, given in calls]


def gemini_generate(url: str, capture: Capture) -> Said:
    """The google-genai SDK."""
    genai = pytest.importorskip("google.genai")
    client = genai.Client(api_key="k", http_options={"base_url": url.partition("/gemini")[0], "api_version": "v1beta"})
    text, calls = "", []
    for chunk in client.models.generate_content_stream(model=capture.model, contents="Hello"):
        for candidate in chunk.candidates or []:
            for part in (candidate.content and candidate.content.parts) or []:
                if part.function_call:
                    calls.append((part.function_call.name, part.function_call.args or {}))
                elif part.text and not part.thought:
                    text += part.text
    return text, calls


def mistral_chat(url: str, capture: Capture) -> Said:
    """The mistralai SDK."""
    mistralai = pytest.importorskip("mistralai.client")
    client = mistralai.Mistral(api_key="k", server_url=url)
    text, calls = "", list[list[str]]()
    for item in client.chat.stream(model="m", messages=USER):
        for choice in item.data.choices:
            if choice.index:
                continue
            content = choice.delta.content
            if isinstance(content, str):
                text += content
            elif content:
                text += "".join(part.text for part in content if getattr(part, "type", "") == "text")
            for piece in choice.delta.tool_calls or []:
                given = piece.function.arguments
                if piece.function.name:
                    calls.append([piece.function.name, ""])
                calls[-1][1] += given if isinstance(given, str) else json.dumps(given)
    return text, [(name, arguments(given)) for name, given in calls]


def ollama_chat(url: str, capture: Capture) -> Said:
    """The ollama SDK."""
    ollama = pytest.importorskip("ollama")
    text, calls = "", []
    for item in ollama.Client(host=url).chat(model="m", messages=USER, stream=True):
        text += item.message.content or ""
        calls += [(call.function.name, dict(call.function.arguments)) for call in item.message.tool_calls or []]
    return text, calls


CHAT = ("openai", "xai", "togetherai", "openrouter", "deepseek", "openai-compatible")
SDKS: dict[str, tuple[Callable[[str, Capture], Said], str, tuple[str, ...]]] = {
    "openai": (
        openai_chat,
        "openai_chat",
        ("openai", "xai", "togetherai", "openrouter", "deepseek", "openai-compatible"),
    ),
    "openai responses": (openai_responses, "openai_responses", ("openai", "xai")),
    "groq": (groq_chat, "openai_chat", ("groq",)),
    "anthropic": (anthropic_messages, "anthropic_messages", ("anthropic",)),
    "google-genai": (gemini_generate, "gemini_generate", ("gemini",)),
    "mistralai": (mistral_chat, "mistral_chat", ("mistral",)),
    "ollama": (ollama_chat, "ollama_chat", ("ollama",)),
}


@pytest.mark.parametrize("sdk", SDKS)
def test_agreement(sdk: str) -> None:
    """For every capture of a finished answer that the SDK can read, it gives our text and our calls."""
    ask, dialect, providers = SDKS[sdk]
    captures = [one for one in own() if one.dialect == dialect and one.provider in providers and finished(one)]
    agreed, otherwise, failed = [], dict[str, str](), dict[str, str]()
    for capture in captures:
        ours = read(capture).response
        assert ours is not None
        wanted = (ours.message.text, [(call.name, arguments(call.arguments)) for call in ours.message.tool_calls])
        with serving(msgspec.structs.replace(capture, request=None)) as server:
            try:
                found = ask(server.url_for(capture.provider, capture.name), capture)
            except Exception as error:
                failed[capture.key] = f"{type(error).__name__}: {error}"[:110]
                continue
        if found == wanted:
            agreed.append(capture.key)
        else:
            otherwise[capture.key] = f"{found} instead of {wanted}"[:400]
    print(f"{sdk}: agrees on {len(agreed)} of {len(captures)}; cannot read {len(failed)}: {failed}")
    explained = THEIRS.get(sdk, {})
    assert {key: words for key, words in otherwise.items() if key not in explained} == {}
    assert len(agreed) > len(captures) // 2


def finished(capture: Capture) -> bool:
    """Whether a capture is a stream that ends well."""
    return capture.streaming and (capture.expected or {}).get("outcome") == "finished"

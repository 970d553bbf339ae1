"""The vendors' own SDKs as readers: a capture's URL in; its text, calls, finish word and tokens out.

A reader is made where its SDK is installed; it keeps one client while it is open, for each makes a TLS context.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import httpx
import msgspec

from miiflow_llm.replay.capture import Capture

from ..captured import arguments

MADE: Any = {"base_url": "http://x", "api_key": "k", "max_retries": 0}
USER: Any = [{"role": "user", "content": "Hello"}]


class Said(msgspec.Struct):
    """What an answer says. `finish` is the provider's own word; the tokens include cached and reasoning ones."""

    text: str = ""
    calls: list[tuple[str, Any]] = []
    finish: str | None = None
    prompt: int | None = None
    completion: int | None = None


Ask = Callable[[str, Capture], Said]


@contextmanager
def openai_chat() -> Iterator[Ask]:
    """The openai SDK, chat."""
    with importlib.import_module("openai").OpenAI(**MADE) as client:
        yield _chat(client)


@contextmanager
def groq_chat() -> Iterator[Ask]:
    """The groq SDK."""
    with importlib.import_module("groq").Groq(**MADE) as client:
        yield _chat(client)


def _chat(client: Any) -> Ask:
    def ask(url: str, capture: Capture) -> Said:
        said, calls = Said(), dict[int, list[str]]()
        to = client.with_options(base_url=url)
        for chunk in to.chat.completions.create(model="m", messages=USER, stream=True):
            used = chunk.usage or getattr(getattr(chunk, "x_groq", None), "usage", None)
            if used:
                said.prompt, said.completion = used.prompt_tokens, used.completion_tokens
            for choice in chunk.choices or []:
                if not choice.index:
                    _chat_choice(choice, said, calls)
        said.calls = [(name, arguments(text)) for name, text in calls.values()]
        return said

    return ask


def _chat_choice(choice: Any, said: Said, calls: dict[int, list[str]]) -> None:
    said.finish = choice.finish_reason or said.finish
    if choice.delta is None:  # some of Azure's
        return
    said.text += choice.delta.content or ""
    for piece in choice.delta.tool_calls or []:
        call = calls.setdefault(piece.index, ["", ""])
        if piece.function:
            call[0] += piece.function.name or ""
            call[1] += piece.function.arguments or ""


@contextmanager
def openai_responses() -> Iterator[Ask]:
    """The openai SDK, Responses."""

    def ask(url: str, capture: Capture) -> Said:
        said = Said()
        for item in client.with_options(base_url=url).responses.create(model="m", input="Hello", stream=True):
            if item.type == "response.output_text.delta":
                said.text += item.delta
            elif item.type == "response.output_item.done" and item.item.type in ("function_call", "custom_tool_call"):
                given = getattr(item.item, "arguments", None) or item.item.input
                said.calls.append((item.item.name, arguments(given)))
            elif item.type in ("response.completed", "response.incomplete"):
                whole = item.response
                said.finish = whole.incomplete_details.reason if whole.incomplete_details else whole.status
                if whole.usage:
                    said.prompt, said.completion = whole.usage.input_tokens, whole.usage.output_tokens
        return said

    with importlib.import_module("openai").OpenAI(**MADE) as client:
        yield ask


@contextmanager
def anthropic_messages() -> Iterator[Ask]:
    """The anthropic SDK, by its own accumulator (`messages.stream`), which knows that counters are repeated."""

    def ask(url: str, capture: Capture) -> Said:
        with client.with_options(base_url=url).messages.stream(model="m", max_tokens=9, messages=USER) as stream:
            whole = stream.get_final_message()
        used = whole.usage
        cached = (used.cache_read_input_tokens or 0) + (used.cache_creation_input_tokens or 0)
        return Said(
            text="".join(block.text for block in whole.content if block.type == "text"),
            calls=[(block.name, block.input) for block in whole.content if block.type == "tool_use"],
            finish=whole.stop_reason,
            prompt=(used.input_tokens or 0) + cached,
            completion=used.output_tokens,
        )

    with importlib.import_module("anthropic").Anthropic(**MADE) as client:
        yield ask


@contextmanager
def gemini_generate() -> Iterator[Ask]:
    """The google-genai SDK, whose address is its client's."""
    genai = importlib.import_module("google.genai")

    def ask(url: str, capture: Capture) -> Said:
        said = Said()
        client = genai.Client(api_key="k", http_options={"base_url": url, "api_version": "v1beta"})
        try:
            for chunk in client.models.generate_content_stream(model="m", contents="Hello"):
                _gemini_chunk(chunk, said)
        finally:
            client.close()
        return said

    yield ask


def _gemini_chunk(chunk: Any, said: Said) -> None:
    used = chunk.usage_metadata
    if used:
        said.prompt = _sum(used.prompt_token_count, used.tool_use_prompt_token_count, before=said.prompt)
        said.completion = _sum(used.candidates_token_count, used.thoughts_token_count, before=said.completion)
    for candidate in (chunk.candidates or [])[:1]:
        said.finish = candidate.finish_reason.value if candidate.finish_reason else said.finish
        _gemini_parts((candidate.content and candidate.content.parts) or [], said)


def _gemini_parts(parts: list[Any], said: Said) -> None:
    for part in parts:
        if part.function_call:
            said.calls.append((part.function_call.name, part.function_call.args or {}))
        elif part.text and not part.thought:
            said.text += part.text


def _sum(*counts: int | None, before: int | None) -> int | None:
    return sum(count or 0 for count in counts) if any(count is not None for count in counts) else before


@contextmanager
def mistral_chat() -> Iterator[Ask]:
    """The mistralai SDK, whose address is its client's; they share their connections."""
    mistralai = importlib.import_module("mistralai.client")

    def ask(url: str, capture: Capture) -> Said:
        said, calls = Said(), list[list[str]]()
        client = mistralai.Mistral(api_key="k", server_url=url, client=connections)
        for item in client.chat.stream(model="m", messages=USER):
            if item.data.usage:
                said.prompt, said.completion = item.data.usage.prompt_tokens, item.data.usage.completion_tokens
            for choice in item.data.choices:
                if not choice.index:
                    _mistral_choice(choice, said, calls)
        said.calls = [(name, arguments(given)) for name, given in calls]
        return said

    with httpx.Client() as connections:
        yield ask


def _mistral_choice(choice: Any, said: Said, calls: list[list[str]]) -> None:
    said.finish = choice.finish_reason or said.finish
    content = choice.delta.content
    if isinstance(content, str):
        said.text += content
    elif content:
        said.text += "".join(part.text for part in content if getattr(part, "type", "") == "text")
    for piece in choice.delta.tool_calls or []:
        given = piece.function.arguments
        if piece.function.name:
            calls.append([piece.function.name, ""])
        calls[-1][1] += given if isinstance(given, str) else json.dumps(given)


@contextmanager
def ollama_chat() -> Iterator[Ask]:
    """The ollama SDK, whose address is its client's."""
    ollama = importlib.import_module("ollama")

    def ask(url: str, capture: Capture) -> Said:
        said = Said()
        with ollama.Client(host=url, verify=False) as client:
            for item in client.chat(model="m", messages=USER, stream=True):
                _ollama_line(item, said)
        return said

    yield ask


def _ollama_line(item: Any, said: Said) -> None:
    said.text += item.message.content or ""
    said.calls += [(call.function.name, dict(call.function.arguments)) for call in item.message.tool_calls or []]
    said.finish = item.done_reason or said.finish
    said.prompt = said.prompt if item.prompt_eval_count is None else item.prompt_eval_count
    said.completion = said.completion if item.eval_count is None else item.eval_count


@contextmanager
def cohere_v2() -> Iterator[Ask]:
    """The cohere SDK, whose address is its client's; they share their connections."""
    cohere = importlib.import_module("cohere")

    def ask(url: str, capture: Capture) -> Said:
        said, calls = Said(), dict[int, list[str]]()
        client = cohere.ClientV2(api_key="k", base_url=url, httpx_client=connections)
        for item in client.chat_stream(model="m", messages=USER):
            _cohere_event(item, said, calls)
        said.calls = [(name, arguments(given)) for name, given in calls.values()]
        return said

    with httpx.Client() as connections:
        yield ask


def _cohere_event(item: Any, said: Said, calls: dict[int, list[str]]) -> None:
    if item.type == "content-delta":
        said.text += item.delta.message.content.text or ""
    elif item.type in ("tool-call-start", "tool-call-delta"):
        piece = item.delta.message.tool_calls.function
        call = calls.setdefault(item.index, ["", ""])
        call[0] += getattr(piece, "name", None) or ""
        call[1] += piece.arguments or ""
    elif item.type == "message-end":
        said.finish = item.delta.finish_reason
        counted = item.delta.usage and (item.delta.usage.tokens or item.delta.usage.billed_units)
        if counted:
            said.prompt, said.completion = int(counted.input_tokens), int(counted.output_tokens)


@contextmanager
def bedrock_converse() -> Iterator[Ask]:
    """botocore, whose address is its client's; it tells the chunks apart by their events' names."""
    session = importlib.import_module("botocore.session").Session()
    session.set_credentials("AKIDEXAMPLE", "secret")
    settings = importlib.import_module("botocore.config").Config(retries={"total_max_attempts": 1})

    def ask(url: str, capture: Capture) -> Said:
        said, calls = Said(), dict[int, list[str]]()
        client = session.create_client("bedrock-runtime", "us-east-1", endpoint_url=url, config=settings)
        try:
            answer = client.converse_stream(modelId="m", messages=[{"role": "user", "content": [{"text": "Hello"}]}])
            for item in answer["stream"]:
                _converse_event(item, said, calls)
        finally:
            client.close()
        said.calls = [(name, arguments(given)) for name, given in calls.values()]
        return said

    yield ask


def _converse_event(item: Any, said: Said, calls: dict[int, list[str]]) -> None:
    (kind, event), *_ = item.items()
    if kind == "contentBlockStart" and event["start"].get("toolUse", {}).get("type") != "server_tool_use":
        if "toolUse" in event["start"]:
            calls[event["contentBlockIndex"]] = [event["start"]["toolUse"]["name"], ""]
    elif kind == "contentBlockDelta":
        said.text += event["delta"].get("text", "")
        if event["contentBlockIndex"] in calls:
            calls[event["contentBlockIndex"]][1] += event["delta"].get("toolUse", {}).get("input", "")
    elif kind == "messageStop":
        said.finish = event["stopReason"]
    elif kind == "metadata":
        used = event["usage"]
        cached = used.get("cacheReadInputTokens", 0) + used.get("cacheWriteInputTokens", 0)
        said.prompt, said.completion = used["inputTokens"] + cached, used["outputTokens"]


class Sdk(msgspec.Struct):
    """How an SDK's reader is opened, the module that it needs, and the captures that are in its vendor's format.

    `providers` are those whose captures it is given; `None` is all that speak the dialect.
    """

    opened: Callable[[], AbstractContextManager[Ask]]
    module: str
    dialect: str
    providers: tuple[str, ...] | None = None

    def reads(self, capture: Capture) -> bool:
        """Whether a capture is in its format."""
        return capture.dialect == self.dialect and (self.providers is None or capture.provider in self.providers)


SDKS = {
    "openai": Sdk(openai_chat, "openai", "openai_chat"),
    "openai responses": Sdk(openai_responses, "openai", "openai_responses"),
    "groq": Sdk(groq_chat, "groq", "openai_chat", ("groq",)),
    "anthropic": Sdk(anthropic_messages, "anthropic", "anthropic_messages"),
    "google-genai": Sdk(gemini_generate, "google.genai", "gemini_generate"),
    "mistralai": Sdk(mistral_chat, "mistralai.client", "mistral_chat"),
    "ollama": Sdk(ollama_chat, "ollama", "ollama_chat"),
    "cohere": Sdk(cohere_v2, "cohere", "cohere_v2"),
    "botocore": Sdk(bedrock_converse, "botocore", "bedrock_converse"),
}

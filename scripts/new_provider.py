"""Make what a new provider needs: its file, and six constructed captures with what they say written beside them."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from miiflow_llm import providers
from miiflow_llm.core.exceptions import MiiflowLLMError
from miiflow_llm.core.messages import Message
from miiflow_llm.core.request import PARAMETERS, ChatRequest, ToolSpec
from miiflow_llm.core.usage import TokenCount
from miiflow_llm.replay.capture import Capture
from miiflow_llm.replay.cuts import boundaries
from miiflow_llm.replay.fake import DIALECTS, FakeError, fake_body
from miiflow_llm.replay.fake.answer import words
from miiflow_llm.replay.store import save
from miiflow_llm.tables import Dialect, Provider, as_spoken
from miiflow_llm.wire.encode.request import parameters
from miiflow_llm.wire.engine import Engine

ROOT = Path(__file__).parent.parent
TEXT = "High water is at six, and again at half past six."
ARGUMENTS = {"port": "Oban", "day": "2026-11-25"}
TOOL = ToolSpec(
    "get_tide",
    "Times of high and low water at a port.",
    {"type": "object", "properties": {name: {"type": "string"} for name in ARGUMENTS}, "required": [*ARGUMENTS]},
)
USAGE = TokenCount(prompt_tokens=12, completion_tokens=14, total_tokens=26)
COUNTED = {"prompt_tokens": 12, "completion_tokens": 14, "total_tokens": 26}
BEFORE = FakeError("The key is not valid.", status=401, code="invalid_api_key")
FAILED = {"anthropic_messages": "api_error"}
"""The word for a server that failed, in the formats that have another than `server_error`."""


def source(options: argparse.Namespace) -> str:
    """The provider's file."""
    constant = options.like.upper()
    lines = [
        f'"""{options.title}: the {options.like} format at an address of its own."""\n',
        f"from ..dialects.{options.like} import {constant}",
        "from ..tables import Provider\n",
        "PROVIDER = Provider(",
        f'    name="{options.name}",',
        f"    dialect={constant},",
        f'    base_url="{options.base_url}",',
        f'    docs="{options.docs}",',
        f'    env=("{options.env}",),',
        f'    example_model="{options.model}",',
        *([f"    takes={tuple(options.takes)!r},".replace("'", '"')] if options.takes else []),
        ")",
    ]
    return "\n".join(lines) + "\n"


def captures(dialect: Dialect, provider: Provider) -> Iterator[Capture]:
    """The six captures that every provider has, each with what it says."""
    plain = {"text": TEXT, "usage": USAGE}
    called = {"tool_calls": [(TOOL.name, ARGUMENTS)], "usage": USAGE}
    yield _capture(dialect, provider, "text", plain, _said(text=TEXT))
    yield _capture(dialect, provider, "tool_call", called, _said(calls=[(TOOL.name, ARGUMENTS)]), tools=[TOOL])
    yield _capture(dialect, provider, "whole_text", {**plain, "streaming": False}, _said(text=TEXT))
    yield _capture(dialect, provider, "error_before", {"error": BEFORE}, _failed("AuthenticationError"))
    broken = FakeError("The server ended unexpectedly.", code=FAILED.get(dialect.name, "server_error"), midstream=True)
    halfway = {"text": "High water", "error": broken}
    yield _capture(dialect, provider, "error_midstream", halfway, _failed("ServiceUnavailableError", text="High water"))
    yield cut_short(_capture(dialect, provider, "cut_short", plain, {}))


def _capture(
    dialect: Dialect, provider: Provider, name: str, said: dict[str, Any], expected: dict[str, Any], **asked: Any
) -> Capture:
    made = fake_body(dialect.name, name=name, provider=provider.name, model=provider.example_model, **said)
    streaming = said.get("streaming", True)
    request = ChatRequest(
        model=provider.example_model, messages=[Message.user("When is high water?")], stream=streaming, **asked
    )
    encoded = Engine(dialect, provider.name).encode(request)
    kind = "application/json" if made.status >= 400 or not streaming else made.content_type
    return msgspec.structs.replace(
        made,
        model=provider.example_model,
        path=encoded.path,
        request=msgspec.json.decode(msgspec.json.encode(encoded.body)),
        headers={"content-type": kind},
        source=f"constructed by scripts/new-provider; the format is described at {provider.docs}",
        expected=expected,
    )


def cut_short(capture: Capture) -> Capture:
    """The stream without its second half, and the words of the first."""
    ends = boundaries(capture, "frames")
    end = ends[len(ends) // 2]
    body = capture.body[:end]
    expected = {"text": _came(body), "reasoning": "", "outcome": "interrupted", "error": "StreamInterruptedError"}
    return msgspec.structs.replace(capture, body=body, expected=expected)


def _came(body: bytes) -> str:
    """The pieces of the text that stand in the body, one after the other."""
    text, place = "", 0
    for piece in words(TEXT):
        place = body.find(msgspec.json.encode(piece), place)
        if place < 0:
            break
        text, place = text + piece, place + 1
    return text


def _said(text: str = "", calls: list[tuple[str, dict[str, Any]]] | None = None) -> dict[str, Any]:
    return {
        "text": text,
        "reasoning": "",
        "tool_calls": [{"name": name, "arguments": arguments} for name, arguments in calls or ()],
        "finish_reason": "tool_calls" if calls else "stop",
        "usage": COUNTED,
        "outcome": "finished",
    }


def _failed(error: str, text: str = "") -> dict[str, Any]:
    return {"text": text, "reasoning": "", "outcome": "error", "error": error}


def left(dialect: Dialect, provider: Provider, file: Path) -> Iterator[str]:
    """What the maker of a table has to see to."""
    refused = [name for name in PARAMETERS if name not in parameters(dialect)]
    yield f"Made {file.relative_to(ROOT)} and fixtures/sse_captures/{provider.name}. What is left:"
    yield f"- Compare the file with {provider.docs}: address, variables, what the server takes."
    yield f"- It now takes {', '.join(name for name in PARAMETERS if name in parameters(dialect))};"
    yield f"  and refuses {', '.join(refused)}."
    if dialect.optional:
        yield f"  Bundles for takes=: {', '.join(dialect.optional)}."
    yield "- What else differs is a row: body, parts, errors, finish, drops, structured, embeddings."
    yield f"- Record real answers in place of the constructed ones: scripts/capture {provider.name} text (--help)."
    yield "- Read the snapshots that were written (git diff), then run scripts/check and scripts/test."


def options_of(arguments: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="new-provider", description=__doc__)
    parser.add_argument("name", help="as callers write it: lower case, digits and dashes")
    parser.add_argument("--like", default="openai_chat", choices=DIALECTS, help="the format that it speaks")
    parser.add_argument("--title", help="its own spelling; the name, capitalized, if not given")
    parser.add_argument("--base-url", help="what the format's path follows")
    parser.add_argument("--docs", help="the URL of its reference")
    parser.add_argument("--env", help="the variable of the key; NAME_API_KEY if not given")
    parser.add_argument("--model", default="example-1", help="a model to ask in examples")
    parser.add_argument("--takes", type=lambda text: text.split(","), default=[], help="optional bundles, with commas")
    chosen = parser.parse_args(arguments)
    stem = chosen.name.replace("-", "_")
    if not stem.isidentifier() or stem != stem.lower() or stem.startswith("_"):
        parser.error(f"{chosen.name!r} cannot be a provider's name: lower case, digits and dashes")
    if providers.exists(chosen.name):
        parser.error(f"there is a provider {chosen.name!r} already")
    chosen.title = chosen.title or chosen.name.capitalize()
    chosen.base_url = chosen.base_url or f"https://api.{chosen.name}.example/v1"
    chosen.docs = chosen.docs or f"https://{chosen.name}.example/docs"
    chosen.env = chosen.env or f"{stem.upper()}_API_KEY"
    return chosen


def main(arguments: list[str]) -> int:
    """Exit code 1 if the table cannot be spoken; then its file is taken back."""
    options = options_of(arguments)
    module = options.name.replace("-", "_")
    file = ROOT / "src" / "miiflow_llm" / "providers" / f"{module}.py"
    file.write_text(source(options))
    try:
        provider = importlib.import_module(f"miiflow_llm.providers.{module}").PROVIDER
        dialect = as_spoken(provider, provider)
    except MiiflowLLMError as error:
        file.unlink()
        print(error, file=sys.stderr)
        return 1
    for capture in captures(dialect, provider):
        save(capture, ROOT / "fixtures" / "sse_captures")
    print("\n".join(left(dialect, provider, file)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

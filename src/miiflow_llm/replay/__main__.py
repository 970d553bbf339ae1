"""`python -m miiflow_llm.replay`: serve captures or fakes, capture a live answer, look at captures, import cassettes.

It knows no formats. Exit status: 0 done; 1 it failed, two
captures differ, or a check found something; 2 wrong arguments; 130 interrupted.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import anyio
import msgspec

from .. import providers
from ..client.env import load_env
from ..core.exceptions import MiiflowLLMError
from .capture_live import Order, capture_live
from .cuts import CUTS, Cut
from .errors import CaptureError, ReplayError
from .fake import FakeError, fake_all
from .inspecting import WIDTH, compare, problems, show
from .match import ASPECTS
from .printing import put
from .reading import is_spoken
from .server import ReplayServer
from .store import captures_of, load
from .vcr import cassettes_at, import_cassette


def main(arguments: Sequence[str] | None = None, program: str = "python -m miiflow_llm.replay") -> int:
    """Run the command; its exit status. `program` is what help and errors call it."""
    options = _parser(program).parse_args(arguments)
    try:
        return anyio.run(options.run, options) or 0
    except (ReplayError, MiiflowLLMError) as error:
        put(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _parser(program: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=program, description=__doc__)
    commands = parser.add_subparsers(required=True)
    _add_serve(commands.add_parser("serve", help="serve captures on a loopback socket; its URL is printed first"))
    _add_serve(commands.add_parser("replay"))
    _add_fake(commands.add_parser("fake", help="serve an answer of your own in every dialect; base URLs are printed"))
    _add_capture(commands.add_parser("capture", help="record a live answer as a capture; the key is read as always"))
    _add_inspecting(commands)
    return parser


def _add_inspecting(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    show = commands.add_parser("show", help="a capture's frames with their times, and the chunks that each completes")
    show.set_defaults(run=_show)
    show.add_argument("capture", help="one of its files, or the two without their suffix")
    show.add_argument("--full", action="store_true", help="do not cut long lines")
    compare = commands.add_parser("compare", help="the difference in what two captures say; status 1 if there is one")
    compare.set_defaults(run=_compare)
    compare.add_argument("first")
    compare.add_argument("second")
    check = commands.add_parser("check", help="whether captures decode, are complete and hold nothing like a secret")
    check.set_defaults(run=_check)
    check.add_argument("captures", help="a folder of captures, or one capture's file")
    cassette = commands.add_parser("import", help="make captures of VCR.py cassettes (YAML)")
    cassette.set_defaults(run=_import)
    cassette.add_argument("cassettes", nargs="+", help="a cassette, or a folder with cassettes below it")
    cassette.add_argument("--folder", default="fixtures/sse_captures")
    cassette.add_argument("--provider", help="whose answers they are, where the addresses do not say it")
    cassette.add_argument("--dialect", help="their format, where the paths do not say it")
    cassette.add_argument("--redact", action="append", default=[], help="a text that must not be written; repeatable")


def _add_serve(serve: argparse.ArgumentParser) -> None:
    serve.set_defaults(run=_serve)
    serve.add_argument("folder", help="a folder of captures, or one capture's file")
    serve.add_argument("--port", type=int, default=0, help="0 (the default) takes a free one")
    serve.add_argument("--cut", type=_cut, default="frames", help=f"{', '.join(CUTS)}, or a number of bytes")
    serve.add_argument("--pace", type=float, default=0.0, help="seconds between pieces; for recorded cuts a factor")
    serve.add_argument("--seed", type=int, default=0, help="chooses the sizes of random cuts")
    serve.add_argument("--match", default=",".join(ASPECTS), help="what must agree where the URL names no capture")


def _add_fake(fake: argparse.ArgumentParser) -> None:
    fake.set_defaults(run=_fake)
    fake.add_argument("--text", default="")
    fake.add_argument("--reasoning", default="")
    fake.add_argument("--tool-call", action="append", default=[], type=_call, help='NAME={"argument": 1}; repeatable')
    fake.add_argument("--error", help="an error in these words, before the answer")
    fake.add_argument("--status", type=int, default=500, help="the error's status")
    fake.add_argument("--midstream", action="store_true", help="the error comes in the stream, after the text")
    fake.add_argument("--port", type=int, default=0, help="0 (the default) takes a free one")
    fake.add_argument("--pace", type=float, default=0.0, help="seconds between pieces")


def _add_capture(capture: argparse.ArgumentParser) -> None:
    capture.set_defaults(run=_capture)
    capture.add_argument("provider", help="openai, anthropic, gemini, ...")
    capture.add_argument("name", help="the capture's name, such as text or tool_call")
    capture.add_argument("--model", required=True)
    capture.add_argument("--prompt", default="Tell me in two sentences how tides come about.")
    capture.add_argument("--whole", action="store_true", help="ask for the answer in one piece, not as a stream")
    capture.add_argument("--folder", default="fixtures/sse_captures")
    capture.add_argument("--dialect", help="another format that the provider speaks")
    capture.add_argument("--base-url", help="another address")
    capture.add_argument("--parameters", default="{}", help='more of the request, as JSON: {"max_tokens": 50}')
    capture.add_argument("--redact", action="append", default=[], help="a text that must not be written; repeatable")
    capture.add_argument("--env-file", help="a file of NAME=value lines to read the key from; none is read by default")


def _cut(text: str) -> Cut:
    if text.isdigit() and int(text) > 0:
        return int(text)
    if text in CUTS:
        return cast("Cut", text)
    raise argparse.ArgumentTypeError(f"{', '.join(CUTS)}, or a number of bytes")


def _call(text: str) -> tuple[str, dict[str, Any]]:
    name, _, arguments = text.partition("=")
    try:
        return name, msgspec.json.decode(arguments or "{}", type=dict[str, Any])
    except msgspec.MsgspecError:
        raise argparse.ArgumentTypeError('NAME={"argument": 1}, its arguments a JSON object') from None


async def _fake(options: argparse.Namespace) -> None:
    error = FakeError(options.error, status=options.status, midstream=options.midstream) if options.error else None
    captures = fake_all(text=options.text, reasoning=options.reasoning, tool_calls=options.tool_call, error=error)
    async with ReplayServer(captures, pace=options.pace, port=options.port) as server:
        put(server.url)
        bases = {one.dialect: server.url_for(one.provider) + _version(one.provider) for one in captures}
        for dialect, base in bases.items():
            put(f"{dialect:20} {base}")
        await anyio.sleep_forever()


def _version(provider: str) -> str:
    """The end of the base URLs that clients of a provider are given: `/v1`, or nothing."""
    return urlsplit(providers.get(provider).base_url or "").path.rstrip("/")


async def _serve(options: argparse.Namespace) -> None:
    server = ReplayServer(
        options.folder,
        cut=options.cut,
        pace=options.pace,
        seed=options.seed,
        match=[aspect for aspect in options.match.split(",") if aspect],
        port=options.port,
    )
    async with server:
        put(server.url)
        await anyio.sleep_forever()


async def _capture(options: argparse.Namespace) -> None:
    if options.env_file:
        _load_env(options.env_file)
    names = Order.__struct_fields__
    order = Order(**{name: getattr(options, name) for name in names})
    for path in await capture_live(order, show=lambda text: put(text, end="")):
        put(f"\n{path}")


def _load_env(file: str) -> None:
    if not Path(file).is_file():
        raise CaptureError(f"there is no file {file}")
    load_env(file)


async def _show(options: argparse.Namespace) -> None:
    for line in show(load(options.capture), width=None if options.full else WIDTH):
        put(line)


async def _compare(options: argparse.Namespace) -> int:
    difference = compare(load(options.first), load(options.second))
    put("\n".join(difference) or "they say the same")
    return 1 if difference else 0


async def _check(options: argparse.Namespace) -> int:
    captures = captures_of(options.captures)
    found = {capture.key: problems(capture) for capture in captures}
    for key, lines in found.items():
        for line in lines:
            put(f"{key}: {line}")
    bad = sum(map(bool, found.values()))
    unknown = Counter(capture.dialect for capture in captures if not is_spoken(capture))
    unread = "".join(f"; {number} {dialect} not read" for dialect, number in sorted(unknown.items()))
    put(f"{len(captures)} captures checked, {bad} with problems{unread}")
    return 1 if bad or not captures else 0


async def _import(options: argparse.Namespace) -> None:
    given = {name: getattr(options, name) for name in ("provider", "dialect", "redact")}
    for cassette in (file for named in options.cassettes for file in cassettes_at(named)):
        for path in import_cassette(cassette, options.folder, **given):
            put(path)


if __name__ == "__main__":
    sys.exit(main())

"""`python -m miiflow_llm.replay`: serve a folder of captures, or capture a live answer with your own key.

Arguments in, a running server or a capture's files out; it knows no formats.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import cast

import anyio

from ..core.exceptions import MiiflowLLMError
from .capture_live import Order, capture_live
from .cuts import CUTS, Cut
from .errors import ReplayError
from .match import ASPECTS
from .server import ReplayServer


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; its exit status."""
    options = _parser().parse_args(arguments)
    try:
        anyio.run(options.run, options)
    except (ReplayError, MiiflowLLMError) as error:
        print(error, file=sys.stderr)  # noqa: T201  a command's message
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m miiflow_llm.replay", description=main.__doc__)
    commands = parser.add_subparsers(required=True)
    serve = commands.add_parser("serve", help="serve captures on a loopback socket; the first line printed is its URL")
    serve.set_defaults(run=_serve)
    serve.add_argument("folder", help="a folder of captures, or one capture's file")
    serve.add_argument("--port", type=int, default=0, help="0 (the default) takes a free one")
    serve.add_argument("--cut", type=_cut, default="frames", help=f"{', '.join(CUTS)}, or a number of bytes")
    serve.add_argument("--pace", type=float, default=0.0, help="seconds between pieces; for recorded cuts a factor")
    serve.add_argument("--seed", type=int, default=0, help="chooses the sizes of random cuts")
    serve.add_argument("--match", default=",".join(ASPECTS), help="what must agree where the URL names no capture")
    _add_capture(commands.add_parser("capture", help="record a live answer as a capture; the key is read as always"))
    return parser


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


def _cut(text: str) -> Cut:
    if text.isdigit() and int(text) > 0:
        return int(text)
    if text in CUTS:
        return cast("Cut", text)
    raise argparse.ArgumentTypeError(f"{', '.join(CUTS)}, or a number of bytes")


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
        print(server.url, flush=True)  # noqa: T201  what programs read
        await anyio.sleep_forever()


async def _capture(options: argparse.Namespace) -> None:
    names = Order.__struct_fields__
    order = Order(**{name: getattr(options, name) for name in names})
    for path in await capture_live(order, show=lambda text: print(text, end="", flush=True)):  # noqa: T201  a command's output
        print(f"\n{path}")  # noqa: T201  as above


if __name__ == "__main__":
    sys.exit(main())

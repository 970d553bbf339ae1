"""Show how a dialect reads: its table, the functions generated from it, and a capture's frames beside their chunks.

`python -m miiflow_llm.explain DIALECT [CAPTURE]`; what `scripts/explain` runs.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from . import providers
from .core.exceptions import ConfigurationError
from .core.response import StreamChunk
from .target import engine_for
from .wire.decode import WHOLE, for_event
from .wire.engine import Engine
from .wire.frames import FRAMINGS, Frame
from .wire.table import Also, Dialect, Each, First, Provider, Rule, RuleLike


def engine_of(dialect: str, provider: str | None) -> Engine:
    """The engine of `dialect` as `provider` speaks it, or the first provider that does.

    Raises:
        ConfigurationError: nobody speaks it; the message lists what is spoken.
    """
    spoken: dict[str, tuple[Provider, Provider | Also]] = {}
    for name in [provider] if provider else ["openai", *providers.names()]:
        found = providers.get(name)
        options: tuple[Provider | Also, ...] = (found, *found.also)
        for option in options:
            spoken.setdefault(option.dialect.name, (found, option))
    if dialect not in spoken:
        raise ConfigurationError(f"no dialect {dialect!r}; there are {', '.join(sorted(spoken))}")
    return engine_for(*spoken[dialect])


def table(engine: Engine) -> Iterator[str]:
    """The dialect's rows in words."""
    dialect = engine.dialect
    yield f"{dialect.name} as {engine.provider} speaks it ({dialect.docs})"
    yield f"  path {dialect.path}" + (f", streaming {dialect.stream_path}" if dialect.stream_path else "")
    yield f"  framing {dialect.framing}, events named by {dialect.event or 'nothing'}, done {dialect.done or '-'}"
    yield f"  complete on {', '.join(dialect.complete)}; ends on {', '.join(dialect.end) or 'the end of the bytes'}"
    yield "  request body:"
    yield from (f"    {key}: {value!r}" for key, value in dialect.body.items())
    yield "  parts:"
    yield from (f"    {block.__name__}: {place!r}" for block, place in dialect.parts.items())
    yield "  a stream's events:"
    yield from _rules(dialect.events, "    ")
    yield "  a whole answer:"
    yield from _rules(dialect.whole, "    ")
    yield f"  finish words: {', '.join(f'{word}={ours}' for word, ours in dialect.finish.items())}"
    yield f"  ignored events: {', '.join(dialect.ignored) or '-'}"


def _rules(rules: tuple[RuleLike, ...], indent: str) -> Iterator[str]:
    for rule in rules:
        on = f" on {', '.join(rule.on)}" if rule.on else ""
        where = f" where {rule.where[0]} = {rule.where[1]!r}" if rule.where else ""
        if isinstance(rule, Each):
            yield f"{indent}each {rule.path}{where}{on}:"
            yield from _rules(rule.rules, indent + "  ")
        else:
            yield f"{indent}{rule.row}: {_emits(rule)}{where}{on}"


def _emits(rule: Rule) -> str:
    fields = ", ".join(f"{name} <- {_shown(value)}" for name, value in rule.fields.items())
    when = f" when {_shown(rule.when)}" if rule.when is not None else ""
    return f"{rule.kind}({fields}){when}"


def _shown(value: object) -> str:
    if isinstance(value, First):
        return " or ".join(value.paths)
    return value if isinstance(value, str) else repr(value)


def functions(engine: Engine) -> Iterator[str]:
    """The generated source, one function a kind of event."""
    for event in (*sorted(engine.decoder.named), "", WHOLE):
        if event == WHOLE or for_event(engine.dialect.events, event):
            yield f"# {event or 'any event'}"
            yield engine.decoder.reader(event).source


def frames(engine: Engine, body: bytes) -> Iterator[str]:
    """Each frame of a streamed body, and under it the chunks that it makes."""
    framer = FRAMINGS[engine.dialect.framing]()
    reader = engine.stream("model", keep_raw=True)
    for frame in (*framer.feed(body), *framer.finish()):
        yield f"{frame.event or ''} {frame.data.decode('utf-8', 'replace')}".strip()
        yield from (f"    -> {_chunk(chunk)}" for chunk in reader.feed(_bytes_of(frame, engine.dialect)))
    yield "end of the bytes"
    yield from (f"    -> {_chunk(chunk)}" for chunk in reader.finish())
    yield f"    {reader.error!r}" if reader.error else "    complete"


def _bytes_of(frame: Frame, dialect: Dialect) -> bytes:
    if dialect.framing == "ndjson":
        return frame.data + b"\n"
    name = f"event: {frame.event}\n".encode() if frame.event else b""
    lines = frame.data.split(b"\n")
    return name + b"".join(b"data: " + line + b"\n" for line in lines) + b"\n"


def _chunk(chunk: StreamChunk) -> str:
    shown = {
        name: getattr(chunk, name) for name in chunk.__struct_fields__ if not name.startswith("_") and name != "raw"
    }
    said = {name: value for name, value in shown.items() if value not in (None, "", [], b"")}
    return ", ".join(f"{name}={value!r}" for name, value in said.items()) or "nothing unified (raw only)"


def main(arguments: list[str] | None = None) -> int:
    """The command line; returns its exit code."""
    parser = argparse.ArgumentParser(prog="explain", description=__doc__)
    parser.add_argument("dialect", help="openai_chat, anthropic_messages, ...")
    parser.add_argument("capture", nargs="?", type=Path, help="the body of a streamed capture")
    parser.add_argument("--provider", help="whose rows to show; by default the first that speaks the dialect")
    chosen = parser.parse_args(arguments)
    try:
        engine = engine_of(chosen.dialect, chosen.provider)
    except ConfigurationError as error:
        print(error, file=sys.stderr)  # noqa: T201  a command prints
        return 2
    parts = [table(engine), functions(engine)]
    if chosen.capture is not None:
        parts.append(frames(engine, chosen.capture.read_bytes()))
    for part in parts:
        for line in part:
            print(line)  # noqa: T201  a command prints
        print()  # noqa: T201  a command prints
    return 0


if __name__ == "__main__":
    sys.exit(main())

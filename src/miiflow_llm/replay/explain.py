"""Show how a dialect writes and reads: its table, the functions made of it, and a capture's frames beside their chunks.

`python -m miiflow_llm.replay.explain DIALECT [CAPTURE]`; what `scripts/explain` runs.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from .. import providers
from ..core.exceptions import ConfigurationError
from ..tables import Dialect, Each, First, Rule, RuleLike
from ..tables.written import written
from ..wire.decode.decoder import WHOLE, for_event
from ..wire.decode.more_text import allowed
from ..wire.engine import Engine
from .capture import Capture
from .errors import CaptureError
from .inspecting import show
from .printing import put
from .reading import engine_named


def engine_of(dialect: str, provider: str | None) -> Engine:
    """The engine of `dialect` as `provider` speaks it, or the first provider that does.

    Raises:
        ConfigurationError: there is no such provider, or it does not speak it; the message lists what is spoken.
    """
    speakers = [provider] if provider else ["openai", *providers.names()]
    engine = engine_named(dialect, speakers)
    if engine is None:
        found = [providers.get(name) for name in speakers]
        spoken = sorted({option.dialect.name for one in found for option in one.options})
        raise ConfigurationError(f"no dialect {dialect!r}; there are {', '.join(spoken)}")
    return engine


def table(engine: Engine) -> Iterator[str]:
    """The dialect's rows: those that write as a table has them, those that read in words."""
    dialect = engine.dialect
    yield f"{dialect.name} as {engine.provider} speaks it ({dialect.docs})"
    yield f"  path {dialect.path}" + (f", streaming {dialect.stream_path}" if dialect.stream_path else "")
    yield f"  framing {dialect.framing}, events named by {dialect.event or 'nothing'}, done {dialect.done or '-'}"
    yield f"  complete on {', '.join(dialect.complete)}; ends on {', '.join(dialect.end) or 'the end of the bytes'}"
    yield from _fields(dialect, "body", "message", "parts", "prepare", "drops", "structured", "continues")
    yield "  a stream's events:"
    yield from _rules(dialect.events, "    ")
    yield "  a whole answer:"
    yield from _rules(dialect.whole, "    ")
    yield f"  finish words: {', '.join(f'{word}={ours}' for word, ours in dialect.finish.items())}"
    yield f"  ignored events: {', '.join(dialect.ignored) or '-'}"
    yield from _fields(dialect, "usage", "errors", "response_headers", "model_list", "embeddings", "token_count")


def _fields(dialect: Dialect, *names: str) -> Iterator[str]:
    for name in names:
        yield from f"  {name} = {written(getattr(dialect, name), width=118, indent='  ').lstrip()}".split("\n")


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
    return value if isinstance(value, str) else written(value, width=1000)


def writing(engine: Engine, model: str) -> Iterator[str]:
    """The generated source of what writes requests to a model."""
    yield f"# a request to {model or 'any model'}"
    yield engine.writers.of(model).source


def reading(engine: Engine) -> Iterator[str]:
    """The generated source, one function a kind of event; before it what makes a frame mere text, read by types."""
    for event in (*sorted(engine.decoder.named), "", WHOLE):
        if event == WHOLE or for_event(engine.dialect.events, event):
            yield f"# {event or 'any event'}"
            if event != WHOLE:
                kinds = allowed(engine.decoder.rules_for(event, meta=False))
                yield from (f"#   mere text: {path} is {kind}" for path, kind in kinds.items())
            yield engine.decoder.reader(event).source


def body_of(engine: Engine, file: Path) -> Capture:
    """A body of which nothing more is known, as a capture of this dialect: `.json` is a whole answer.

    Raises:
        CaptureError: it cannot be read.
    """
    try:
        body = file.read_bytes()
    except OSError as error:
        raise CaptureError(f"{file} cannot be read: {error.strerror}") from None
    return Capture(
        name=file.stem,
        provider=engine.provider,
        dialect=engine.dialect.name,
        model="",
        streaming=file.suffix != ".json",
        path=engine.dialect.path,
        body=body,
    )


def main(arguments: list[str] | None = None) -> int:
    """The command line; returns its exit code."""
    parser = argparse.ArgumentParser(prog="explain", description=__doc__)
    parser.add_argument("dialect", help="openai_chat, anthropic_messages, ...")
    parser.add_argument("capture", nargs="?", type=Path, help="an answer's body, streamed, or whole as .json")
    parser.add_argument("--provider", help="whose rows to show; by default the first that speaks the dialect")
    parser.add_argument("--model", help="for which model to write; by default the provider's example")
    chosen = parser.parse_args(arguments)
    try:
        engine = engine_of(chosen.dialect, chosen.provider)
        shown = show(body_of(engine, chosen.capture), width=None) if chosen.capture is not None else iter(())
    except (ConfigurationError, CaptureError) as error:
        put(error, file=sys.stderr)
        return 2
    model = providers.get(engine.provider).example_model if chosen.model is None else chosen.model
    for part in (table(engine), writing(engine, model), reading(engine), shown):
        for line in part:
            put(line)
        put()
    return 0


if __name__ == "__main__":
    sys.exit(main())

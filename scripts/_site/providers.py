"""A page for each provider, made from its table: address, keys, what it takes, what is mended or refused, oddities."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Iterator
from typing import Any

from miiflow_llm import providers
from miiflow_llm.core import messages
from miiflow_llm.core.request import PARAMETERS
from miiflow_llm.tables import Dialect, Place, PlaceBy, Provider, dialects_of
from miiflow_llm.tables.drops import Drop
from miiflow_llm.tables.noting import note_of

Cell = Callable[[str, Dialect], str]
"""What a dialect has of a feature, as `scripts/docs` tells it in docs/features.md."""
BLOCKS = {
    messages.ImageBlock: "images",
    messages.DocumentBlock: "documents",
    messages.AudioBlock: "audio",
    messages.ReasoningBlock: "reasoning sent back",
}
BESIDE = ("hosted tools", "cache marks", "model list", "embeddings", "token count")


def pages(cell: Cell) -> dict[str, str]:
    """The pages by file name, and the list of them as `index.md`."""
    made = {f"{name}.md": page(providers.get(name), cell) for name in providers.names()}
    rows = "\n".join(f"| [{name}]({name}.md) | {_opening(providers.get(name))} |" for name in providers.names())
    made["index.md"] = (
        "# Providers\n\nEach page is made from the provider's table. All of them side by side: "
        f"[providers and features](../features.md).\n\n| provider | |\n|---|---|\n{rows}\n"
    )
    return made


def page(provider: Provider, cell: Cell) -> str:
    """One provider's page."""
    parts = [f"# {provider.name}", _opening(provider), _start(provider), *_facts(provider)]
    for dialect in dialects_of(provider):
        parts += _dialect(provider, dialect, cell)
    return "\n\n".join(part for part in parts if part) + "\n"


def _module(provider: Provider) -> Any:
    return importlib.import_module(f"miiflow_llm.providers.{provider.name.replace('-', '_')}")


def _opening(provider: Provider) -> str:
    return (inspect.getdoc(_module(provider)) or "").replace("|", "\\|").replace("\n", " ")


def _start(provider: Provider) -> str:
    address = ', base_url="https://your.server/v1"' if provider.base_url is None else ""
    call = f'LLMClient.create("{provider.name}", model="{provider.example_model or "the-model"}"{address})'
    return f"```py\nclient = {call}\n```"


def _facts(provider: Provider) -> Iterator[str]:
    aliases = [alias for alias, name in providers.ALIASES.items() if name == provider.name]
    variables = ", ".join(f"`{one.name}`" for one in provider.base_url_env)
    key = ", ".join(f"`{name}`" for name in provider.env) or "none"
    rows = {
        "other names": ", ".join(f"`{alias}`" for alias in aliases),
        "address": f"`{provider.base_url}`" if provider.base_url else "yours to give (`base_url=`, or a variable)",
        "address from": variables,
        "key": key + (" (optional)" if provider.key == "optional" else ""),
        "reference": f"<{provider.docs}>",
    }
    yield "| | |\n|---|---|\n" + "\n".join(f"| {name} | {value} |" for name, value in rows.items() if value)


def _dialect(provider: Provider, dialect: Dialect, cell: Cell) -> Iterator[str]:
    yield f"## {dialect.name}"
    models = next((other.models for other in provider.also if other.dialect.name == dialect.name), "")
    if models:
        yield f'The wire format of models that match `{models}`, and of others with `dialect="{dialect.name}"`.'
    elif dialect.name != provider.dialect.name:
        yield f'Another of its wire formats: `dialect="{dialect.name}"`.'
    else:
        yield "Its wire format, unless another is asked for."
    yield f"`POST {dialect.path}`"
    yield _takes(dialect, cell)
    yield from _ways(dialect)
    yield from _mended(dialect)
    yield from _refused(dialect)


def _takes(dialect: Dialect, cell: Cell) -> str:
    taken = [f"`{name}`" for name in PARAMETERS if name != "schema" and cell(name, dialect)]
    more = [name for name in (*BLOCKS.values(), *BESIDE) if cell(name, dialect)]
    return f"**Takes** {', '.join(taken)}.\n\n**Also** {', '.join(more)}." if more else f"**Takes** {', '.join(taken)}."


def _ways(dialect: Dialect) -> Iterator[str]:
    """How an answer is made to follow a type, by model."""
    if len(set(dialect.structured.values())) == 1:
        yield f"**A typed answer** (`schema=`): {_WAYS[next(iter(dialect.structured.values()))]}."
    elif dialect.structured:
        rows = "\n".join(
            f"| {_models(models, 'all others')} | {_WAYS[way]} |" for models, way in dialect.structured.items()
        )
        yield f"**A typed answer** (`schema=`):\n\n| models | |\n|---|---|\n{rows}"


_WAYS = {
    "native": "the wire's own field",
    "tool": "a forced tool",
    "prompt": "words in the prompt",
}


def _mended(dialect: Dialect) -> Iterator[str]:
    """What is made to follow the wire's rules, and noted in the plan."""
    turns = dialect.turns
    found = {
        "Neighbours of one role become one message.": turns.alternate,
        "All system messages stand as one at the head.": turns.one_system,
        "A message that says nothing is left out, or says that it says nothing.": not turns.blank,
        "If the first message is not the user's, one is put before it.": turns.begins_with_user,
        f"Ids of calls that are not `{turns.call_ids}` are replaced, the same always by the same.": turns.call_ids
        != ".+",
        "Images and documents in a tool's result go into a user's message behind it.": dialect.text_results,
        f"Media may have {(dialect.max_media or 0) // 2**20} MiB in all.": dialect.max_media is not None,
    }
    if turns.after_results is not None:
        models = f" (models that match `{turns.after_results}`)" if turns.after_results else ""
        found[f"Between a tool's result and a user's message stands an assistant's{models}."] = True
    lines = [line for line, holds in found.items() if holds]
    lines += [f"{note[0].upper()}{note[1:]}." for hook in dialect.prepare if (note := note_of(hook))]
    if lines:
        yield "**Mended**, and told in `plan().notes`:\n\n" + "\n".join(f"- {line}" for line in lines)


def _refused(dialect: Dialect) -> Iterator[str]:
    """What is refused or left out before anything is sent, with the reason."""
    rows = [_drop_row(one) for one in dialect.drops]
    rows += [f"| {name} | all | {reason} |" for block, name in BLOCKS.items() for reason in _refusals(dialect, block)]
    if rows:
        yield (
            '**Refused before anything is sent**, or dropped with a warning with `unsupported="drop"`:\n\n'
            "| what | models | why, and what would work |\n|---|---|---|\n" + "\n".join(dict.fromkeys(rows))
        )


def _drop_row(drop: Drop) -> str:
    what = ", ".join(f"`{name}`" for name in drop.parameters) or "the request"
    if drop.beside:
        what += " beside " + ", ".join(f"`{name}`" for name in drop.beside)
    if drop.unless:
        what += " other than " + ", ".join(f"`{name}={_shown(values)}`" for name, values in drop.unless)
    return f"| {what} | {_models(drop.models)} | {_cell(drop.reason)} |"


def _shown(values: Any) -> str:
    if isinstance(values, (tuple, frozenset, set, list)):
        return " or ".join(map(_shown, values))
    return _cell(repr(values) if not callable(values) else values.__name__)


def _models(pattern: str, otherwise: str = "all") -> str:
    return f"`{_cell(pattern)}`" if pattern else otherwise


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _refusals(dialect: Dialect, block: type) -> Iterator[str]:
    place = dialect.parts.get(block)  # type: ignore[call-overload]
    for one in place.places.values() if isinstance(place, PlaceBy) else (place,):
        if isinstance(one, Place) and one.where == "refused" and one.reason:
            yield _cell(one.reason)

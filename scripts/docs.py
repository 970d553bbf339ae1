"""Write what is generated of README.md, docs/ and the types of browsers from the tables, and build the site of docs/.

`--check` says whether the generated parts are current, `--tables` writes them without building, `--serve` builds the
site and serves it while one writes, `--into FOLDER` builds it elsewhere than in .cache/site.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import parameters

from miiflow_llm import providers
from miiflow_llm.core import messages
from miiflow_llm.core.request import PARAMETERS
from miiflow_llm.tables import Dialect, Place, PlaceBy, Provider, Take, dialects_of
from miiflow_llm.tables.template import words
from miiflow_llm.tables.tool_parts import runs_none
from miiflow_llm.wire.encode.request import parameters as taken

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
FEATURES = ROOT / "docs" / "features.md"
REQUESTS = ROOT / "docs" / "requests.md"
TYPES = ROOT / "src" / "miiflow_llm" / "web" / "static" / "miiflow-llm.d.ts"


SHORT = {"documents": "PDF", "audio": "audio", "schema": "schema", "embeddings": "embed", "token count": "count"}
"""The features that tell providers apart at a glance, as README.md heads them."""


def provider_table() -> str:
    """One row a provider: name, key, and what any of its dialects has of the chosen features."""
    heads = ["provider", "key", *SHORT.values()]
    lines = [f"|{'|'.join(heads)}|", "|-" * len(heads) + "|"]
    lines += [_row(providers.get(name)) for name in providers.names()]
    return "\n".join(lines) + "\n"


def _row(provider: Provider) -> str:
    aliases = [alias for alias, name in providers.ALIASES.items() if name == provider.name and "_" not in alias]
    name = f"`{provider.name}`" + (f" (`{aliases[0]}`)" if aliases else "")
    dialects = dialects_of(provider)
    key = f"`{provider.env[0]}`" if provider.env else "none"
    if provider.key == "optional":
        key += " (optional)"
    marks = [_best(feature, dialects) for feature in SHORT]
    return f"|{name}|{key}|{'|'.join(marks)}|"


def _best(feature: str, dialects: tuple[Dialect, ...]) -> str:
    cells = [_cell(feature, dialect) for dialect in dialects]
    if feature == "schema":
        return "✓" if any("native" in cell for cell in cells) else ""
    return "✓" if "✓" in cells else ""


BLOCKS = {
    "images": messages.ImageBlock,
    "documents": messages.DocumentBlock,
    "audio": messages.AudioBlock,
    "reasoning sent back": messages.ReasoningBlock,
}
WORDS = {"hosted tools": "payload", "cache marks": "cache"}
ENDPOINTS = {"model list": "model_list", "embeddings": "embeddings", "token count": "token_count"}
HEAD = """# Providers and features

Made from the tables by `scripts/docs`; how each is asked for: [requests.md](requests.md). First what messages may hold,
then every parameter of a call, then what tools may be, then the calls beside the chat. A feature without a mark raises
`UnsupportedParameterError` (or is dropped with a warning, with `unsupported="drop"`); single models may refuse more, as
the tables say. Under "documents" `text` means text documents alone, as parts of text. `schema` is how an answer is made
to follow a type: the wire's field, a forced tool, or words in the prompt, by the model's name; a type or a request that
the first cannot say is asked for in the prompt. "hosted tools" are those that the provider runs itself, "cache marks"
the places of `cache=`; a mark without a place changes nothing.

"""


def feature_table() -> str:
    """What each provider's dialects have a place for, a column a dialect."""
    columns = [
        (f"{name}<br>{dialect.name}", dialect)
        for name in providers.names()
        for dialect in dialects_of(providers.get(name))
    ]
    lines = ["| feature | " + " | ".join(name for name, _ in columns) + " |", "|---|" + "---|" * len(columns)]
    for feature in (*BLOCKS, *PARAMETERS, *WORDS, *ENDPOINTS):
        cells = [_cell(feature, dialect) for _, dialect in columns]
        name = f"`{feature}`" if feature in PARAMETERS else feature
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return HEAD + "\n".join(lines) + "\n"


def _cell(feature: str, dialect: Dialect) -> str:
    if feature in BLOCKS:
        place = dialect.parts[BLOCKS[feature]]
        if isinstance(place, PlaceBy) and place.name == "document_type" and _refused(place.places[...]):
            return "text"
        return "" if _refused(place) else "✓"
    if feature in WORDS:
        return "✓" if any(_takes(template, WORDS[feature]) for template in _templates(dialect)) else ""
    if feature in ENDPOINTS:
        return "" if getattr(dialect, ENDPOINTS[feature]).absent else "✓"
    if feature == "schema":
        return ", ".join(dict.fromkeys(dialect.structured.values()))
    refused_by_all = any(
        feature in row.parameters
        and not (row.models or row.beside)
        and all(lifts == feature for lifts, _ in row.unless)  # only values that mean to do without it
        for row in dialect.drops
    )
    return "✓" if feature in taken(dialect) and not refused_by_all else ""


def _templates(dialect: Dialect) -> Iterator[Any]:
    """How tools and parts are written."""
    for word, _ in words(dialect.body):
        if isinstance(word, Take) and word.name == "tools":
            yield word.each
    for block, place in dialect.parts.items():
        if block is not messages.OpaqueBlock:
            yield from (one.template for one in (place.places.values() if isinstance(place, PlaceBy) else (place,)))


def _takes(template: Any, name: str) -> bool:
    """Whether the template has a hole for the value, filled as it is or made a word of the wire's."""
    takes = (word for word, _ in words(template) if isinstance(word, Take))
    return any(word.name == name and word.through is not runs_none for word in takes)


def _refused(place: Place | PlaceBy) -> bool:
    places = place.places.values() if isinstance(place, PlaceBy) else (place,)
    return all(one.where in ("refused", "left_out") for one in places)


def _filled(path: Path, begin: str, end: str, made: str) -> str:
    """The file with what stands between the line that begins so and `end` made anew."""
    section = re.compile(rf"(^{re.escape(begin)}[^\n]*\n).*?(^{re.escape(end)})", re.DOTALL | re.MULTILINE)
    return section.sub(lambda match: match.group(1) + made + match.group(2), path.read_text())


def tables() -> list[Path]:
    """Write the generated parts; with `--check` only say which are out of date."""
    made = {
        README: _filled(README, "<!-- providers:", "<!-- end -->", provider_table()),
        FEATURES: feature_table(),
        REQUESTS: _filled(REQUESTS, "<!-- parameters:", "<!-- end -->", parameters.table()),
        TYPES: _filled(TYPES, "  // parameters:", "  // end of parameters", parameters.typescript()),
    }
    old = [path for path, text in made.items() if not path.exists() or path.read_text() != text]
    for path in old if "--check" not in sys.argv else ():
        path.write_text(made[path])
    return old


def main() -> int:
    """Exit code 1 if `--check` finds something out of date, or the site cannot be built without a warning."""
    old = tables()
    if "--check" in sys.argv:
        for path in old:
            print(f"{path.relative_to(ROOT)} is out of date: run scripts/docs")
        return int(bool(old))
    if "--tables" in sys.argv:
        return 0
    from _site import build

    if "--serve" in sys.argv:
        build.serve(_cell)
    into = sys.argv[sys.argv.index("--into") + 1] if "--into" in sys.argv else build.FOLDER
    print(build.build(_cell, Path(into)) / "index.html")
    return 0


if __name__ == "__main__":
    sys.exit(main())

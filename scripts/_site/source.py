"""The source of the site: the pages of docs/ with the generated ones beside them, and the navigation over all."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

from . import providers, reference

ROOT = Path(__file__).parent.parent.parent
DOCS = ROOT / "docs"

WAYS = """
## Where to go from here

| | |
|---|---|
| [Start](start.md) | an answer in two minutes, without a key |
| [What a request can say](requests.md) | every parameter, on one page |
| [Messages](messages.md), [tools](tools.md), [structured answers](structured.md) | and at length |
| [Errors](errors.md), [timeouts](timeouts.md), [proxies and TLS](network.md) | if something is in the way |
| [In a service](service.md), [to the browser](browsers.md) | routes, a page, React |
| [Logging](logging.md), [telemetry](telemetry.md) | what it does |
| [Providers](providers/index.md) | what each takes |
| Moving here from [litellm](moving/litellm.md), [openai](moving/openai.md) ... | the names side by side |
"""
START = ("start.md", "requests.md")
GUIDES = (
    "messages.md", "tools.md", "structured.md", "browsers.md", "errors.md", "timeouts.md", "network.md", "logging.md",
    "telemetry.md", "replay.md", "calls.md", "service.md", "command-line.md", "routing.md", "cost.md", "caching.md",
    "bulk.md", "trials.md",
)  # fmt: skip
"""The order of the pages that have one; pages of docs/ that stand in neither list follow them, by name."""
MOVING = ("litellm.md", "openai.md", "anthropic.md", "pydantic-ai.md", "langchain.md", "from-0.5.md")
INSIDE = ("house.md", "chunk.md", "new-provider.md", "new-dialect.md", "tables.md", "decisions.md", "style.md")


def write(folder: Path, cell: providers.Cell) -> None:
    """Write everything that the generator reads."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(DOCS, folder)
    _write(folder / "providers", providers.pages(cell))
    _write(folder / "reference", reference.pages())
    (folder / "index.md").write_text(index(folder), encoding="utf-8")


def _write(folder: Path, pages: dict[str, str]) -> None:
    folder.mkdir()
    for name, text in pages.items():
        (folder / name).write_text(text, encoding="utf-8")


def index(folder: Path) -> str:
    """The first page: what the README says, and the navigation."""
    opening = (ROOT / "README.md").read_text(encoding="utf-8").partition("\n## Try it")[0].replace("](docs/", "](")
    top = _names(folder) - {"index.md", "features.md"}
    tree = [
        _part("Start", "", START, top & set(START)),
        _part("Guides", "", GUIDES, top - set(START)),
        _part("Moving here", "moving/", MOVING, _names(folder / "moving")),
        _part("Providers", "", ("providers/index.md", "features.md"), {"features.md", "providers/index.md"}),
        _part("", "providers/", (), _names(folder / "providers") - {"index.md"}),
        _part("Reference", "reference/", reference.ORDER, _names(folder / "reference")),
        _part("Inside", "inside/", INSIDE, _names(folder / "inside")),
    ]
    return f"{opening}\n{WAYS}\n" + "\n".join(tree)


def _names(folder: Path) -> set[str]:
    return {path.name for path in folder.glob("*.md")}


def _part(title: str, under: str, order: Iterable[str], names: set[str]) -> str:
    """A part of the navigation: the pages in this order, then what else there is, by name."""
    first = [name for name in order if name in names]
    found = [*first, *sorted(names - set(first))]
    caption = [f":caption: {title}"] if title else []
    entries = [f"{under}{name.removesuffix('.md')}" for name in found]
    return "\n".join(["```{toctree}", ":hidden:", ":maxdepth: 1", *caption, "", *entries, "```", ""])

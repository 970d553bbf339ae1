"""The rows that findings call for, as a file of Python that makes the provider."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import urlsplit

from .finding import Finding, Part, Row
from .format import others

WORDS = ("fault", "not_offered", "refused", "take", "when")
"""The table words that a row may hold."""

USE = '# LLMClient.create(PROVIDER, "the model"); register(PROVIDER) makes it known by its name'


def pasted(found: Iterable[Finding], base_url: str) -> str:
    """The provider: `openai-compatible` with another address and the rows over its own."""
    rows = [row for finding in found for row in finding.rows]
    fields = [
        f'name="{_name(base_url)}"',
        f'base_url="{base_url}"',
        "env=()",
        "base_url_env=()",
        *_mapping("body", rows),
        *_mapping("parts", rows),
        *_mapping("structured", rows),
        *_errors(rows),
        *(f"embeddings={row.code}" for row in rows if row.part == "embeddings"),
        *_also(rows),
    ]
    body = "".join(f"    {field},\n" for field in fields)
    code = f"PROVIDER = msgspec.structs.replace(\n    COMPATIBLE,\n{body})\n{USE}\n"
    return "\n".join([*_imports(rows), "", code])


def _imports(rows: list[Row]) -> list[str]:
    code = " ".join(row.code for row in rows)
    words = [word for word in WORDS if re.search(rf"\b{word}\(", code)]
    return [
        "import msgspec",
        "",
        *(["from miiflow_llm.core import exceptions as error"] if "error." in code else []),
        *(["from miiflow_llm.core.messages import ImageBlock"] if "ImageBlock" in code else []),
        "from miiflow_llm.providers.openai_compatible import PROVIDER as COMPATIBLE",
        *([f"from miiflow_llm.tables import {', '.join(words)}"] if words else []),
    ]


def _mapping(part: Part, rows: list[Row]) -> list[str]:
    code = list(dict.fromkeys(row.code for row in rows if row.part == part))
    return [f"{part}={{**COMPATIBLE.{part}, {', '.join(code)}}}"] if code else []


def _errors(rows: list[Row]) -> list[str]:
    code = list(dict.fromkeys(row.code for row in rows if row.part == "errors"))
    return [f"errors=({', '.join(code)}, *COMPATIBLE.errors)"] if code else []


def _also(rows: list[Row]) -> list[str]:
    missing = {row.code for row in rows if row.part == "without"}
    if not missing:
        return []
    kept = [name for name in others() if name not in missing]
    if not kept:
        return ["also=()"]
    return [f"also=tuple(also for also in COMPATIBLE.also if also.dialect.name in {kept!r})"]


def _name(base_url: str) -> str:
    words = re.sub(r"[^a-z0-9]+", "-", (urlsplit(base_url).hostname or "").lower()).strip("-")
    return words if words[:1].isalpha() else f"server-{words}"

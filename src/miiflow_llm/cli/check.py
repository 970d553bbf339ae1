"""The command `check`: report on an OpenAI-compatible server, and print the rows to paste for it."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from rich.text import Text

from ..client.env import load_env
from ..core.exceptions import ConfigurationError
from ..core.text import printable
from .checking import calls, errors, streams, wholes
from .checking.finding import Finding, Row, Verdict
from .checking.recording import Asker, Recorded
from .ending import FAILED
from .output import console, is_terminal, write, write_json

QUESTION = "Count from one to twenty in words, separated by commas. Nothing else."
STYLES: Mapping[Verdict, str] = {
    "ok": "green",
    "row": "yellow",
    "differs": "bold red",
    "absent": "dim",
    "untried": "dim",
}


def check(base_url: str, model: str | None, key_env: str, timeout: float, env_file: str, *, as_json: bool) -> int:
    """Try the server, print what was found; the exit code.

    Raises:
        ConfigurationError: the address is not a URL.
        NetworkError: nobody answers there.
    """
    load_env(env_file)
    if urlsplit(base_url).scheme not in ("http", "https") or not urlsplit(base_url).netloc:
        raise ConfigurationError(f"--base-url {base_url!r}: an http(s) URL is needed, such as http://localhost:8000/v1")
    asker = Asker(base_url, os.environ.get(key_env), timeout)
    found = list[Finding]()
    try:
        for finding in findings(asker, model):
            found.append(finding)
            _tell(finding, as_json=as_json)
    finally:
        asker.close()
    if not as_json:
        write(f"\n{_summary(found, asker.asked)}\n\n{rows(found, base_url)}")
    return FAILED if any(finding.verdict == "differs" for finding in found) else 0


def findings(asker: Asker, model: str | None) -> Iterator[Finding]:
    """Every finding, as it is made."""
    ids, listed = wholes.models(asker.models())
    yield listed
    chosen = model or next(iter(ids), "default")
    say: dict[str, Any] = {"model": chosen, "messages": [{"role": "user", "content": QUESTION}]}
    yield from wholes.judge(asker.chat(say))
    yield from _streamed(asker, say)
    yield wholes.limit(asker.chat({**say, "max_completion_tokens": 1}), asker.chat({**say, "max_tokens": 1}))
    asked = {**say, "messages": [{"role": "user", "content": calls.QUESTION}], "tools": calls.TOOLS, "stream": True}
    yield from calls.judge(asker.chat(asked))
    yield from _failing(asker, say)


def _streamed(asker: Asker, say: dict[str, Any]) -> Iterator[Finding]:
    """A stream, with usage asked for as the format has it; without if that is refused."""
    recorded = asker.chat({**say, "stream": True, "stream_options": {"include_usage": True}})
    if 400 <= recorded.status < 500:
        seen = f"refused with {recorded.status}"
        plain = asker.chat({**say, "stream": True})
        if plain.status == 200:
            yield Finding("stream_options", "row", seen, (Row("body", '"stream_options": None'),))
            recorded = plain
    else:
        yield Finding("stream_options", "ok", "taken")
    yield from streams.judge(recorded)


def _failing(asker: Asker, say: dict[str, Any]) -> Iterator[Finding]:
    unknown = {**say, "model": "no-such-model-0"}
    tries: tuple[tuple[str, Callable[[], Recorded], Any], ...] = (
        ("unknown model", lambda: asker.chat(unknown), errors.UNKNOWN_MODEL),
        ("unknown model, stream", lambda: asker.chat({**unknown, "stream": True}), errors.UNKNOWN_MODEL),
        ("malformed request", lambda: asker.chat({**say, "messages": "no list"}), errors.MALFORMED),
        ("wrong key", lambda: asker.chat(say, key="wrong-key"), errors.WRONG_KEY),
    )
    for behaviour, ask, expected in tries:
        yield errors.judge(behaviour, ask(), expected, str(say["model"]))


def _tell(finding: Finding, *, as_json: bool) -> None:
    if as_json:
        write_json(finding)
        return
    screen = console()
    seen = printable(" ".join(finding.seen.split()))
    if not is_terminal(screen):
        write(f"{finding.verdict}\t{finding.behaviour}\t{seen}\n")
        return
    screen.print(Text.assemble((f"{finding.verdict:8}", STYLES[finding.verdict]), f" {finding.behaviour:22} ", seen))


def _summary(found: list[Finding], asked: int) -> str:
    verdicts = [finding.verdict for finding in found]
    counts = ", ".join(f"{verdicts.count(verdict)} {verdict}" for verdict in STYLES if verdict in verdicts)
    return f"{asked} requests, {len(found)} behaviours: {counts}"


def rows(found: list[Finding], base_url: str) -> str:
    """The provider as a file of Python: the rows that the findings call for."""
    wanted = [row for finding in found for row in finding.rows]
    body = [row.code for row in wanted if row.part == "body"]
    faults = list(dict.fromkeys(row.code for row in wanted if row.part == "errors"))
    words = [
        *(["fault"] if faults else []),
        *(["take"] if any("take(" in code for code in body) else []),
    ]
    lines = ["from miiflow_llm.core import exceptions as error"] if faults else []
    lines += [
        "from miiflow_llm.dialects.openai_chat import OPENAI_CHAT",
        f"from miiflow_llm.tables import {', '.join(['Provider', *words])}",
        "",
        "PROVIDER = Provider(",
        f'    name="{_name(base_url)}",',
        "    dialect=OPENAI_CHAT,",
        f'    base_url="{base_url}",',
        '    docs="",',
        '    key="optional",',
        *([f"    body={{{', '.join(body)}}},"] if body else []),
        *(["    errors=(", *(f"        {code}," for code in faults), "    ),"] if faults else []),
        ")",
    ]
    return "\n".join(lines) + "\n"


def _name(base_url: str) -> str:
    words = re.sub(r"[^a-z0-9]+", "-", (urlsplit(base_url).hostname or "").lower()).strip("-")
    return words if words[:1].isalpha() else f"server-{words}"

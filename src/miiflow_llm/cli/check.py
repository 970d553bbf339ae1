"""The command `check`: report on an OpenAI-compatible server, and print the rows to paste for it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from rich.text import Text

from ..client.env import load_env
from ..core.exceptions import ConfigurationError
from ..core.text import printable
from .checking import calls, elsewhere, errors, options, streams, wholes
from .checking.asking import CHAT, LIMITS, Asking
from .checking.finding import Finding, Row, Verdict
from .checking.pasted import pasted
from .checking.recording import Asker
from .ending import FAILED
from .output import console, is_terminal, write, write_json

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
        MiiflowLLMError: the server fails whatever is asked, as with a wrong key, or while its model loads.
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
        write(f"\n{_summary(found, asker.asked)}\n\n{pasted(found, base_url)}")
    return FAILED if any(finding.verdict == "differs" for finding in found) else 0


def findings(asker: Asker, model: str | None) -> Iterator[Finding]:
    """Every finding, as it is made.

    Raises:
        MiiflowLLMError: the server fails whatever is asked.
    """
    ids, listed = wholes.models(asker.get("/models"))
    asking = Asking(asker, model or next(iter(ids), "default"))
    first, opened = asking.open()
    yield listed
    yield from wholes.judge(first)
    yield from opened
    yield from _streamed(asking)
    yield wholes.limit(*(_limited(asking, name) for name in LIMITS[0]))
    tools = calls.tried(asking)
    yield from tools
    yield from options.forms(asking, tools=calls.can_be_required(tools))
    for option in (options.stop, options.top_k, options.logprobs, options.reasoning, options.images):
        yield from option(asking)
    yield elsewhere.embeddings(asking)
    yield from elsewhere.formats(asking)
    yield from _failing(asking)


def _limited(asking: Asking, name: str) -> Any:
    """The answer if a limit of one token is set by this name only."""
    body = asking.body(**{name: 1})
    return asking.tried(asking.asker.post(CHAT, {k: v for k, v in body.items() if k not in LIMITS[0] or k == name}))


def _streamed(asking: Asking) -> Iterator[Finding]:
    """A stream, with usage asked for as the format has it; without if that is refused."""
    recorded = asking.tried(asking.send(stream=True, stream_options={"include_usage": True}))
    if 400 <= recorded.status < 500:
        seen = f"refused with {recorded.status}"
        plain = asking.tried(asking.send(stream=True))
        if plain.status == 200:
            yield Finding("stream_options", "row", seen, (Row("body", '"stream_options": None'),))
            recorded = plain
    elif not recorded.late:
        yield Finding("stream_options", "ok", "taken")
    yield from streams.judge(recorded)


def _failing(asking: Asking) -> Iterator[Finding]:
    """What the server says of requests that are wrong."""
    body = asking.body()
    unknown = {**body, "model": "no-such-model-0"}
    tries: tuple[tuple[str, dict[str, Any], str | None, Any], ...] = (
        ("unknown model", unknown, None, errors.UNKNOWN_MODEL),
        ("unknown model, stream", {**unknown, "stream": True}, None, errors.UNKNOWN_MODEL),
        ("malformed request", {**body, "messages": "no list"}, None, errors.MALFORMED),
        ("wrong key", body, "wrong-key", errors.WRONG_KEY),
    )
    for behaviour, sent, key, expected in tries:
        yield errors.judge(behaviour, asking.asker.post(CHAT, sent, key=key), expected, asking.model)


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

"""Judge recorded errors: does the status say what went wrong, and can the message be read?"""

from __future__ import annotations

import re

from ...core import exceptions
from ...core.exceptions import MiiflowLLMError
from .asking import untried
from .finding import Finding, Row, Verdict
from .format import engine
from .recording import Recorded

BUSY = (429, 503)
"""Statuses that say nothing of a request: it was not looked at."""


def judge(behaviour: str, recorded: Recorded, expected: tuple[type[MiiflowLLMError], ...], model: str) -> Finding:
    """The finding of a request that should fail with one of `expected`, the first of them best."""
    if recorded.late:
        return untried(behaviour, recorded)[0]
    if recorded.status in BUSY:
        return Finding(behaviour, "untried", f"{recorded.failure} (the server was busy)")
    if not recorded.status:
        return Finding(behaviour, "differs", f"no answer: {recorded.broken}")
    if 200 <= recorded.status < 300:
        return _taken(behaviour, recorded, expected, model)
    error = engine().error(recorded.status, {k.lower(): v for k, v in recorded.headers.items()}, recorded.body, model)
    seen = f"{recorded.status}, read as {type(error).__name__}: {error.message}"[:160]
    if not isinstance(recorded.json, dict):
        return Finding(behaviour, "differs", f"{seen} (the body is not a JSON object)")
    if isinstance(error, expected):
        return Finding(behaviour, "ok", seen)
    return Finding(behaviour, "row", f"{seen}; {expected[0].__name__} was due", (_row(error, recorded, expected[0]),))


def _taken(behaviour: str, recorded: Recorded, expected: tuple[type[MiiflowLLMError], ...], model: str) -> Finding:
    """An answer in place of an error, or an error inside one."""
    if recorded.content_type != "text/event-stream":
        return Finding(behaviour, "absent", f"answered {recorded.status} all the same")
    reader = engine().stream(model, [])
    reader.feed(recorded.body)
    reader.finish()
    if reader.error is None:
        return Finding(behaviour, "absent", f"answered {recorded.status} all the same")
    verdict: Verdict = "ok" if isinstance(reader.error, expected) else "differs"
    return Finding(
        behaviour, verdict, f"inside the stream, read as {type(reader.error).__name__}: {reader.error.message}"
    )


def _row(error: MiiflowLLMError, recorded: Recorded, due: type[MiiflowLLMError]) -> Row:
    words = re.escape(re.sub(r"\s+", " ", error.message)[:40].strip()).replace("\\ ", " ")
    code = f"fault(error.{due.__name__}, status={recorded.status}, says={_quoted(words)})"
    return Row("errors", code)


def _quoted(pattern: str) -> str:
    return 'r"' + pattern.replace('"', '\\"') + '"'


UNKNOWN_MODEL = (exceptions.ModelNotFoundError, exceptions.InvalidRequestError)
MALFORMED = (exceptions.InvalidRequestError,)
WRONG_KEY = (exceptions.AuthenticationError, exceptions.PermissionDeniedError)
"""What the requests that should fail should fail with."""

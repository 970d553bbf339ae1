"""What headers and error bodies tell beside the answer: request id, rate limits, how long to wait."""

from __future__ import annotations

import datetime
import email.utils
import re
import time
from collections.abc import Mapping, Sequence

from ...core.response import RateLimit
from ...tables import ResponseHeaders

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|us|µs|ns|h|m|s|d)")
_UNITS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_UNPRINTABLE = re.compile(r"[^\x20-\x7e]")  # an id goes into log lines, where control characters would forge others
_UNIX_SECONDS = 1e9
_UNIX_MILLISECONDS = 1e12
LONGEST_WAIT = 24 * 3600.0
"""A hint above a day is taken for a mistake and cut to it, in seconds."""


def seconds(text: str, *, milliseconds: bool = False, now: float | None = None) -> float | None:
    """Seconds from now, from any form that providers use; `None` if it is not a time.

    Forms: a number of seconds (of milliseconds, when asked), Go durations (`6m0s`, `12ms`, `34.4s`), Unix time in
    seconds or milliseconds, RFC 3339 and HTTP dates. Never negative, at most `LONGEST_WAIT`.
    """
    now = time.time() if now is None else now
    found = _parsed(text.strip(), milliseconds, now)
    if found is None or found != found:
        return None
    return min(max(found, 0.0), LONGEST_WAIT)


def _parsed(text: str, milliseconds: bool, now: float) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return _duration(text) if _DURATION.match(text) and text[4:5] != "-" else _date(text, now)
    if milliseconds:
        return number / 1000
    if number >= _UNIX_MILLISECONDS:
        return number / 1000 - now
    return number - now if number >= _UNIX_SECONDS else number


def _duration(text: str) -> float | None:
    if _DURATION.sub("", text):
        return None
    return sum(float(number) * _UNITS[unit] for number, unit in _DURATION.findall(text))


def _date(text: str, now: float) -> float | None:
    try:
        when = datetime.datetime.fromisoformat(text)
    except ValueError:
        try:
            when = email.utils.parsedate_to_datetime(text)
        except (ValueError, TypeError):
            return None
    if when.tzinfo is None:
        when = when.replace(tzinfo=datetime.UTC)
    return when.timestamp() - now


def _header(headers: Mapping[str, str], names: Sequence[str]) -> tuple[str, str] | None:
    return next(((name, headers[name]) for name in names if headers.get(name)), None)


def request_id(headers: Mapping[str, str], rows: ResponseHeaders) -> str | None:
    """The provider's id of the request, `None` where it gives none. `headers` are by lower-case name."""
    found = _header(headers, rows.request_id)
    return _UNPRINTABLE.sub("?", found[1])[:200] if found else None


def error_code(headers: Mapping[str, str], rows: ResponseHeaders) -> str | None:
    """The provider's word for a failure, where a header says it."""
    found = _header(headers, rows.error_code)
    return found[1].partition(":")[0] if found else None


def retry_after(headers: Mapping[str, str], rows: ResponseHeaders) -> float | None:
    """How long the provider asks to wait, in seconds."""
    found = _header(headers, rows.retry_after)
    return seconds(found[1], milliseconds=found[0].endswith("-ms")) if found else None


def retry_flag(headers: Mapping[str, str], rows: ResponseHeaders) -> bool | None:
    """The provider's own word on whether to try again, which wins over the status."""
    found = _header(headers, rows.retry_flag)
    return {"true": True, "false": False}.get(found[1].lower()) if found else None


def rate_limit(headers: Mapping[str, str], rows: ResponseHeaders) -> RateLimit | None:
    """The provider's counters, `None` where it sends none."""
    values: dict[str, float | int] = {}
    for field, names in rows.limits.items():
        found = _header(headers, names)
        value = _limit(field, found[1]) if found else None
        if value is not None:
            values[field] = value
    return RateLimit(**values) if values else None  # type: ignore[arg-type]


def _limit(field: str, text: str) -> float | int | None:
    if field.startswith("reset"):
        return seconds(text)
    try:
        return int(float(text))
    except (ValueError, OverflowError):
        return None

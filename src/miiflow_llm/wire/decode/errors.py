"""From a failure to its exception: status, headers and body in, one typed error out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from ...core import exceptions as error
from ...core.pieces import Failure
from ...core.text import clean
from ...tables import Dialect, Fault
from .headers import error_code, request_id, retry_after, retry_flag, seconds
from .tolerant import Mismatch, decode_leniently, walk

MAX_BODY = 64 * 1024
"""How much of an error's body is kept, in bytes."""

_TAGS = re.compile(r"<(style|script)\b.*?</\1>|<[^>]*>", re.DOTALL | re.IGNORECASE)

_BY_STATUS: dict[int, type[error.ProviderError]] = {
    400: error.InvalidRequestError,
    401: error.AuthenticationError,
    402: error.QuotaExceededError,
    403: error.PermissionDeniedError,
    404: error.ModelNotFoundError,
    408: error.ServiceUnavailableError,
    409: error.ServiceUnavailableError,
    413: error.InvalidRequestError,
    422: error.InvalidRequestError,
    424: error.ServiceUnavailableError,
    429: error.RateLimitError,
}
_RETRIED_STATUS = frozenset({408, 409, 425, 429})


def from_response(
    dialect: Dialect, status: int, headers: Mapping[str, str], body: bytes, *, provider: str, model: str
) -> error.ProviderError:
    """The error that an HTTP answer with `status` means; `headers` are by lower-case name."""
    failure = read_failure(dialect, body) or Failure(message=plain(body))
    failure.code = failure.code or error_code(headers, dialect.response_headers)
    raised = from_failure(dialect, failure, status=status, provider=provider, model=model)
    raised.body = body[:MAX_BODY]
    raised.request_id = request_id(headers, dialect.response_headers) or raised.request_id
    wait = retry_after(headers, dialect.response_headers)
    raised.retry_after = wait if wait is not None else raised.retry_after
    flag = retry_flag(headers, dialect.response_headers)
    raised.retryable = raised.retryable if flag is None else flag
    return raised


def from_failure(
    dialect: Dialect, failure: Failure, *, status: int | None, provider: str, model: str
) -> error.ProviderError:
    """The error that a failure means, before a stream (`status` is the HTTP one) or inside it (`None`)."""
    words = [str(word) for word in (failure.code, failure.type) if word not in (None, "")]
    message = clean(_as_text(failure.message)) or "the provider reported an error without a message"
    named = status or _status_in(failure)
    said = message if failure.details is None else f"{message}\n{failure.details}"
    row = next((row for row in dialect.errors if _holds(row, named, words, said)), None)
    kind = row.error if row else _kind(named, failure)
    if row and named is None:
        named = row.stands_for
    retry = row.retry if row and row.retry is not None else _retried(kind, named)
    return kind(
        message,
        provider=provider,
        model=model,
        retry_after=seconds(str(failure.retry_after)) if failure.retry_after is not None else None,
        status_code=named,
        code=clean(words[0])[:200] if words else None,
        request_id=clean(str(failure.request_id))[:200] if failure.request_id else None,
        retryable=retry,
    )


def read_failure(dialect: Dialect, body: bytes) -> Failure | None:
    """What the error body says, by the first of the dialect's rules that finds a message; `None` where none does."""
    try:
        frame = decode_leniently(body.strip())
    except (msgspec.DecodeError, RecursionError):
        return None
    if isinstance(frame, list):
        frame = frame[0] if frame else None
    if not isinstance(frame, dict):
        return None
    for rule in dialect.failure:
        try:
            found = next(iter(walk((rule,), frame)), None)
        except (Mismatch, RecursionError):
            continue
        if isinstance(found, Failure) and (found.message or found.code):
            return found
    return None


def _holds(row: Fault, status: int | None, words: list[str], said: str) -> bool:
    if row.status and status not in row.status:
        return False
    if row.code and not any(word in row.code for word in words):
        return False
    return not row.says or re.search(row.says, said, re.IGNORECASE) is not None


def _kind(status: int | None, failure: Failure) -> type[error.ProviderError]:
    if status is None:
        return error.ProviderError
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    return error.ServiceUnavailableError if status >= 500 else error.ProviderError


def _retried(kind: type[error.ProviderError], status: int | None) -> bool:
    if kind in (error.QuotaExceededError, error.AuthenticationError, error.PermissionDeniedError):
        return False
    if issubclass(kind, (error.InvalidRequestError, error.ContentFilterError)):
        return False
    if issubclass(kind, (error.RateLimitError, error.ServiceUnavailableError)):
        return True
    return status is not None and (status in _RETRIED_STATUS or status >= 500)


def _status_in(failure: Failure) -> int | None:
    """The HTTP status that the failure names itself."""
    for value in (failure.status, failure.code):
        if isinstance(value, bool):
            continue
        if isinstance(value, (int, str)) and re.fullmatch(r"[45]\d\d", str(value)):
            return int(value)
    return None


def _as_text(message: Any) -> str:
    if isinstance(message, str) or message is None:
        return message or ""
    return msgspec.json.encode(message).decode()


def plain(body: bytes) -> str:
    """The words of a page that is no JSON, without its tags."""
    text = _TAGS.sub(" ", body[:MAX_BODY].decode("utf-8", "replace"))
    return " ".join(text.split())[:200] or "no body"

"""From a failure to its exception: status, headers and body in, one typed error out."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec

from ...core import exceptions as error
from ...core.pieces import Failure
from ...core.text import clean
from ...tables import Dialect, Fault
from ...tables.common_faults import COMMON_FAULTS
from .failures import failure_in
from .headers import error_code, request_id, retry_after, retry_flag, seconds
from .tolerant import decode_leniently, walk

MAX_BODY = 64 * 1024
"""How much of an error's body is kept, in bytes."""

_UNREAD = re.compile(r"<(style|script)\b", re.IGNORECASE)
"""Elements of a page whose content nobody reads."""

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
    501: error.InvalidRequestError,
}
_RETRIED_STATUS = frozenset({408, 409, 424, 425})
_REFUSED_STATUS = frozenset({400, 405, 406, 411, 413, 414, 415, 416, 417, 422, 431})


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
    row = _row(dialect, named, words, said)
    kind = row.error if row else _kind(named)
    if row and named is None:
        named = row.stands_for
    retry = row.retry if row and row.retry is not None else _retried(kind, named)
    return kind(
        message,
        provider=provider,
        model=model,
        retry_after=seconds(str(failure.retry_after)) if failure.retry_after is not None else None,
        status_code=named,
        code=_code(words),
        request_id=clean(str(failure.request_id))[:200] if failure.request_id else None,
        retryable=retry,
    )


def read_failure(dialect: Dialect, body: bytes, *, sure: bool = True) -> Failure | None:
    """What an error body says; `sure` as for `failure_in`. `None` if it is not JSON or says nothing of an error."""
    try:
        frame = decode_leniently(body.strip())
    except (msgspec.DecodeError, RecursionError):
        return None
    if isinstance(frame, list):
        frame = next((item for item in frame if isinstance(item, dict)), frame)
    own = _by_the_table(dialect, frame) if sure and isinstance(frame, dict) else None
    common = failure_in(frame, sure=sure)
    return common if own is None else _completed(own, common)


def completed(failure: Failure, body: bytes) -> Failure:
    """The failure that a dialect's rules read, with what they left unread in the body."""
    try:
        return _completed(failure, failure_in(decode_leniently(body.strip())))
    except (msgspec.DecodeError, RecursionError):
        return failure


def _completed(failure: Failure, common: Failure | None) -> Failure:
    if common is None:
        return failure
    if not failure.message or failure.message == common.type:
        failure.message = common.message
        failure.type = failure.type or common.type
    if failure.status is None and _status_in(failure) is None:
        failure.status = common.status
    return failure


def _by_the_table(dialect: Dialect, frame: dict[str, Any]) -> Failure | None:
    """What the first of the dialect's rules finds that finds words or a code."""
    for rule in dialect.failure:
        try:
            found = next(iter(walk((rule,), frame)), None)
        except RecursionError:
            continue
        if not isinstance(found, Failure):
            continue
        if isinstance(found.message, str) and found.message.startswith(("{", "[")):
            found.message = None  # not words but JSON: its words are found as those of any other shape
        if found.message or found.code:
            return found
    return None


def _row(dialect: Dialect, status: int | None, words: list[str], said: str) -> Fault | None:
    """The row of the error table that fits: the dialect's before the common ones, vague ones last.

    A row is vague if it says no more than whose fault it is; a status that says otherwise beats it.
    """
    rows = [row for row in (*dialect.errors, *COMMON_FAULTS) if _holds(row, status, words, said)]
    definite = next((row for row in rows if not _is_vague(row)), None)
    return definite or next((row for row in rows if _agrees(row, status)), None)


def _holds(row: Fault, status: int | None, words: list[str], said: str) -> bool:
    if row.status and status not in row.status:
        return False
    if row.code and not any(word in row.code for word in words):
        return False
    return not row.says or re.search(row.says, said, re.IGNORECASE) is not None


def _is_vague(row: Fault) -> bool:
    by_words_alone = not (row.status or row.retry is not None)
    return by_words_alone and row.error in (error.InvalidRequestError, error.ServiceUnavailableError)


def _agrees(row: Fault, status: int | None) -> bool:
    """Whether a status leaves a vague row its meaning."""
    if status is None or status == row.stands_for:
        return True
    if row.error is error.ServiceUnavailableError:
        return status in _RETRIED_STATUS or (status >= 500 and status != 501)
    return status in _REFUSED_STATUS


def _code(words: list[str]) -> str | None:
    """The provider's own word: an HTTP status that is repeated as a code is none if there is a better one."""
    better = (word for word in words if not re.fullmatch(r"[1-5]\d\d", word))
    word = next(better, words[0] if words else None)
    return None if word is None else clean(word)[:200]


def _kind(status: int | None) -> type[error.ProviderError]:
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
    return status is not None and (status in _RETRIED_STATUS or status == 429 or status >= 500)


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
    """The words of a page that is not JSON, without its tags."""
    text = " ".join(_between_tags(body[:MAX_BODY].decode("utf-8", "replace")))
    return " ".join(text.split())[:200] or "no body"


def _between_tags(page: str) -> Iterator[str]:
    """The text of a page, read once: a pattern for tags would look for the end of each that has none."""
    ends, at = _ends(page), 0
    while (tag := page.find("<", at)) >= 0:
        yield page[at:tag]
        found = _UNREAD.match(page, tag)
        end = ends(f"</{found[1].lower()}>", tag) if found else -1
        at = end if end >= 0 else ends(">", tag)
        if at < 0:
            at = tag
            break
    yield page[at:]


def _ends(page: str) -> Callable[[str, int], int]:
    """Where a mark ends that stands behind a place; -1 if there is none, which is looked for once."""
    lowered, missing = page.lower() if page.isascii() else page.translate(_LOWER), set[str]()

    def end(mark: str, start: int) -> int:
        found = -1 if mark in missing else lowered.find(mark, start)
        if found < 0:
            missing.add(mark)
            return -1
        return found + len(mark)

    return end


_LOWER = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}

"""What an error looks like, whoever sends it: a payload as plain JSON values in, the failure that it reports out.

Servers, gateways and the frameworks that they are built with put errors into answers in a few dozen shapes, most often
under a status of 200. A dialect's own rules read its own shape; here are all others. An error that stands under a key
of its own (`error`, `errors`) is one wherever it is met. A flat one (`{"message": "died", "code": 500}`) is one only
in a payload that has nothing of an answer: servers put messages and codes beside good answers too.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from ...core.pieces import Failure

KEYS = frozenset(
    {"error", "errors", "err", "exception", "failure", "fault", "error_details", "error_info", "base_resp"}
)
"""Where an error stands that has a key of its own, in lower case. `base_resp` is also the place of a success, with a
code of 0."""

_OWN_WORDS = (
    "error_message",
    "errorMessage",
    "error_msg",
    "errorMsg",
    "err_msg",
    "errmsg",
    "error_description",
    "faultstring",
    "traceback",
)
"""Names under which nothing but an error's words stand."""
_BARE_WORDS = ("message", "msg", "detail", "Message")
_WORDS = (*_BARE_WORDS, *_OWN_WORDS, "status_msg", "description", "reason", "title", "text")
_CODES = ("code", "error_code", "errorCode", "err_code", "errcode", "Code", "status_code", "__type")
_TYPES = ("type", "error_type", "errorType", "name", "status")
_STATUSES = ("status", "status_code", "statusCode", "http_status", "httpStatus", "raw_status_code", "StatusCode")
_REQUEST_IDS = ("request_id", "requestId", "requestID", "trace_id", "log_id")
_WAITS = ("retry_after", "retryAfter")
_INSIDE = ("response", "data", "result", "body", "payload", "detail", "message", "delta")
_LISTS = ("choices", "candidates", "output")
"""Where answers stand, and now and then the error of one."""

_MARKS = ("object", "type", "status", "event", "level", "__type", "code", "error_type")
_MARK = re.compile(
    r"(?i:err|errors?|failed|failure|exception|fatal|(response|stream)\.error)"
    r"|\w+_(?i:error|exception|failure)"
    r"|\w*[a-z](Error|Exception|Failure|Fault)"
)
_SUCCESS = ("success", "ok", "succeeded", "is_success", "isSuccess")
"""What is false if it did not work."""
_FINE = frozenset({"", "0", "200", "201", "202", "ok", "success", "succeeded", "true", "none", "null", "false"})
_BENIGN = frozenset({"ping", "pong", "heartbeat", "keepalive", "keep-alive", "ok"})
_NO_MORE = frozenset({*_BARE_WORDS, *_OWN_WORDS, *_REQUEST_IDS, "id", "timestamp", "path", "created", "param", "model"})
"""Keys that a payload may have beside bare words without being anything but an error."""


def failure_in(value: Any, *, sure: bool = False) -> Failure | None:
    """The failure that a payload reports, `None` if it reports none.

    `sure` says that something else has told that it is an error (a status, the event's name), or that there is nothing
    else in it: then any words in it are the error's.
    """
    if isinstance(value, str):
        return Failure(message=value) if value.strip() and (sure or value.strip().lower() not in _BENIGN) else None
    if isinstance(value, list):
        found = (failure_in(item, sure=sure) for item in value if isinstance(item, dict))
        return next((one for one in found if one is not None), None)
    if not isinstance(value, dict):
        return None
    return under_a_key(value) or _flat(value, sure)


def under_a_key(value: Mapping[str, Any]) -> Failure | None:
    """The failure under a key of its own, in the payload itself, one level below, or in the first of its choices."""
    return _keyed(value) or _inside(value) or _in_a_list(value)


def says_anything(failure: Failure) -> bool:
    """Whether a failure is more than the place of one: `{"code": 0, "message": ""}`."""
    said = (failure.message, failure.code, failure.type, failure.status)
    return not all(value in ({}, []) or _is_fine(value) for value in said)


def _keyed(value: Mapping[str, Any], depth: int = 3) -> Failure | None:
    """The error under a key of its own; words beside it count for what it does not say itself."""
    for key, inner in value.items() if depth else ():
        if key.lower() not in KEYS or not _is_said(inner):
            continue
        if isinstance(inner, list):
            inner = next((item for item in inner if _is_said(item)), None)
        failure = _keyed(inner, depth - 1) or _of_any(inner) if isinstance(inner, dict) else _named(inner, value)
        if says_anything(failure) and not (key == "base_resp" and _is_fine(failure.code)):
            return _joined(failure, _of({name: one for name, one in value.items() if name.lower() not in KEYS}))
    return None


def _of_any(value: dict[str, Any]) -> Failure:
    """What an object says of an error, all of it if it is of no known shape: `{"model": ["is not known"]}`."""
    failure = _of(value)
    if not says_anything(failure) and any(isinstance(one, (dict, list)) and one for one in value.values()):
        failure.message = msgspec.json.encode(value).decode()
    return failure


def _named(inner: Any, value: Mapping[str, Any]) -> Failure:
    """A string is the message, or the error's name where a message stands beside it; `true` and numbers say less."""
    if not isinstance(inner, str):
        return Failure(message=None, code=None if inner is True else inner, type="error")
    beside = _text_of(value)
    return Failure(message=inner) if beside is None else Failure(message=beside, type=inner)


def _inside(value: Mapping[str, Any]) -> Failure | None:
    """The error in an envelope; one level deep, and only under a key of its own."""
    for key in _INSIDE:
        inner = value.get(key)
        found = _keyed(inner) if isinstance(inner, dict) else None
        if found is not None:
            return found
    return None


def _in_a_list(value: Mapping[str, Any]) -> Failure | None:
    """The error in the first element of a list of answers, or in what it says."""
    for key in _LISTS:
        inner = value.get(key)
        first = next((item for item in inner if isinstance(item, dict)), None) if isinstance(inner, list) else None
        found = None if first is None else _keyed(first) or _inside(first)
        if found is not None:
            return found
    return None


def _flat(value: Mapping[str, Any], sure: bool) -> Failure | None:
    is_marked = _is_marked(value)
    if not (sure or is_marked):
        return None
    failure = _of(value)
    if failure.message is None and _is_fine(failure.code) and not is_marked:
        return None
    failure.type = failure.type if says_anything(failure) else "error"
    return failure


def _is_marked(value: Mapping[str, Any]) -> bool:
    """Whether a flat payload shows that it is an error: by a mark, a code, or by holding words and nothing else."""
    if any(isinstance(value.get(key), str) and _MARK.fullmatch(value[key]) for key in _MARKS):
        return True
    if any(str(value[key]).lower() == "false" for key in _SUCCESS if key in value):
        return True
    if any(isinstance(value.get(key), str) and value[key] for key in _OWN_WORDS):
        return True
    others = {key for key, one in value.items() if one is not None and not (key.lower() in KEYS and not _is_said(one))}
    others -= _NO_MORE
    if _text_of(value) is None:
        return any(_is_a_status(value.get(key)) for key in _CODES) and not others.difference(_CODES, _STATUSES)
    if any(not _is_fine(value.get(key)) for key in _CODES) or any(_is_a_status(value.get(key)) for key in _STATUSES):
        return True
    return not others


def _of(value: Mapping[str, Any]) -> Failure:
    """What an object says of an error, by the names that servers give to it."""
    code = _first(value, _CODES)
    return Failure(
        message=_text_of(value),
        code=code,
        type=next((value[key] for key in _TYPES if isinstance(value.get(key), str)), None),
        status=next((value[key] for key in _STATUSES if _is_a_status(value.get(key))), None),
        request_id=_first(value, _REQUEST_IDS),
        retry_after=_first(value, _WAITS),
    )


def _text_of(value: Mapping[str, Any]) -> str | None:
    """The words of an error, readable whatever form they have."""
    for key in _WORDS:
        said = value.get(key)
        if isinstance(said, str) and said.strip():
            return said
        inner = None
        if key == "detail" and isinstance(said, (list, dict)):
            inner = _details(said)
        elif key == "message" and isinstance(said, dict):
            inner = _text_of(said)
        if inner:
            return inner
    return None


def _details(said: list[Any] | dict[str, Any]) -> str | None:
    """The list that FastAPI gives, a line for each: `body.messages.0.role: Field required`."""
    items = said if isinstance(said, list) else [said]
    lines = [_detail(item) if isinstance(item, dict) else str(item) for item in items]
    return "; ".join(line for line in lines if line) or None


def _detail(item: Mapping[str, Any]) -> str:
    place = item.get("loc")
    words = _text_of(item) or ""
    if not isinstance(place, list) or not place:
        return words
    return f"{'.'.join(map(str, place))}: {words}"


def _joined(failure: Failure, beside: Failure) -> Failure:
    """The failure, with what only the words beside it say."""
    if failure.message is None:
        failure.message = beside.message
    for name in ("code", "type", "status", "request_id", "retry_after"):
        if getattr(failure, name) is None:
            setattr(failure, name, getattr(beside, name))
    return failure


def _first(value: Mapping[str, Any], keys: tuple[str, ...]) -> Any:
    return next((value[key] for key in keys if isinstance(value.get(key), (str, int)) and value[key] != ""), None)


def _is_said(value: Any) -> bool:
    """Whether a value is more than a place where an error would stand."""
    return not _is_fine(value) if isinstance(value, str) else bool(value)


def _is_fine(code: Any) -> bool:
    return code is None or code is False or str(code).strip().lower() in _FINE


def _is_a_status(value: Any) -> bool:
    return not isinstance(value, bool) and re.fullmatch(r"[45]\d\d", str(value)) is not None

"""Write the requests of batch APIs, and read their answers, by the table. No I/O happens here."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import quote

import msgspec

from ..core.batches import FINAL, BatchCounts, BatchState
from ..core.exceptions import ConfigurationError, StreamProtocolError
from ..core.text import clean
from ..tables import Batch, BatchStatus, Outcome, Upload
from ..tables.template import NOTHING, attribute, fill
from .encode.json_bytes import json_bytes
from .plain_answers import at, read_json, unreadable

_WHAT = "this is not what a batch API answers"
_COUNTS = ("total", "succeeded", "failed", "pending")


def line(row: Batch, key: str, model: str, endpoint: str, body: bytes) -> bytes:
    """One request as a line of a batch; `body` is that of a live call.

    Raises:
        ConfigurationError: the provider takes no such key, or no such number of bytes.
    """
    if not re.fullmatch(row.keys, key):
        raise ConfigurationError(f"key={key!r}: keys of this provider's batches fit {row.keys}")
    values = {"key": key, "model": model, "endpoint": endpoint, "body": msgspec.Raw(body)}
    made = json_bytes(fill(row.line, lambda name: attribute(values, name)))
    if len(made) > row.max_bytes:
        raise ConfigurationError(f"the request {key!r} has {len(made):,} bytes, a batch at most {row.max_bytes:,}")
    return made


class Part:
    """The lines of one batch, as many as it may have."""

    def __init__(self, row: Batch) -> None:
        self.row = row
        self.lines: list[bytes] = []
        self.keys: list[str] = []
        self.model = ""
        self._bytes = 0

    def takes(self, made: bytes) -> bool:
        """Whether one more line fits in."""
        return len(self.lines) < self.row.max_requests and self._bytes + len(made) + 1 <= self.row.max_bytes

    def add(self, key: str, made: bytes) -> None:
        """Take a line in."""
        self.lines.append(made)
        self.keys.append(key)
        self._bytes += len(made) + 1

    @property
    def name(self) -> str:
        """A name of this batch, the same for the same lines."""
        return digest(self.lines)[:16]


def digest(lines: Iterable[bytes]) -> str:
    """The SHA-256 of lines as they are uploaded, in hexadecimal."""
    made = hashlib.sha256()
    for one in lines:
        made.update(one)
        made.update(b"\n")
    return made.hexdigest()


def creating(row: Batch, path: str, model: str, endpoint: str, file: str | None, part: Part) -> tuple[str, bytes]:
    """Path and body of what makes a batch, of a file that was uploaded or of the lines themselves."""
    values = {
        "model": model,
        "endpoint": endpoint,
        "name": f"miiflow-{part.name}",
        "file": file,
        "requests": None if row.upload else [msgspec.Raw(one) for one in part.lines],
    }
    body = fill(row.body, lambda name: attribute(values, name))
    return path.replace("{model}", quote(model, safe="")), json_bytes({} if body is NOTHING else body)


def upload_body(step: Upload, lines: list[bytes], values: Mapping[str, str]) -> tuple[bytes | None, str | None]:
    """Body and content type of an upload's step."""
    if step.raw:
        return b"\n".join([*lines, b""]), "application/octet-stream"
    if not step.form and not step.file:
        return None, None
    boundary = f"miiflow{values['sha256'][:32]}"
    head = f"--{boundary}\r\ncontent-disposition: form-data; name="
    pieces = [f'{head}"{name}"\r\n\r\n{filled(text, values)}\r\n'.encode() for name, text in step.form.items()]
    if step.file:
        name = f"requests-{values['name']}.jsonl"
        kind = "content-type: application/jsonl"
        pieces.append(f'{head}"{step.file}"; filename="{name}"\r\n{kind}\r\n\r\n'.encode())
        pieces.append(b"\n".join([*lines, b""]))
        pieces.append(b"\r\n")
    pieces.append(f"--{boundary}--\r\n".encode())
    return b"".join(pieces), f"multipart/form-data; boundary={boundary}"


def filled(text: str, values: Mapping[str, str], escape: Callable[[str], str] = str) -> str:
    """The text with every `{name}` replaced by its value."""
    return re.sub(r"\{(\w+)\}", lambda found: escape(values[found[1]]), text)


def with_ids(path: str, **values: str) -> str:
    """A path with its holes filled, escaped; ids may have folders, as Gemini's."""
    return filled(path, values, lambda value: quote(value, safe="/"))


def taken(step: Upload, body: bytes, headers: Mapping[str, str]) -> dict[str, str]:
    """What a step's answer gives to later ones.

    Raises:
        StreamProtocolError: it does not give it.
    """
    found = dict[str, str]()
    for name, place in step.takes.items():
        kind, _, header = place.partition("header:")
        value = headers.get(header) if header and not kind else at(decoded(body), place)
        if not isinstance(value, str) or not value:
            raise _unreadable(body, f"no {name} at {place}")
        found[name] = value
    return found


def id_of(row: Batch, body: bytes) -> str:
    """The id of the batch that was made.

    Raises:
        StreamProtocolError: the answer holds none.
    """
    found = first(decoded(body), row.id)
    if not isinstance(found, str) or not found:
        raise _unreadable(body, f"no id at {' or '.join(row.id)}")
    return found


def state_of(row: Batch, id_: str, body: bytes) -> tuple[BatchState, Any]:
    """How far a batch is, and the whole answer that said so.

    Raises:
        StreamProtocolError: it does not say.
    """
    answer = decoded(body)
    counts = BatchCounts(
        **{name: _count(answer, paths) for name in _COUNTS if (paths := row.counts.get(name))},
        percent=_percent(answer, row.percent),
    )
    status = _status(row, answer, counts, body)
    reason = first(answer, row.refusal) if status in FINAL else None
    return BatchState(id_, status, counts, clean(str(reason)) if reason else ""), answer


def _status(row: Batch, answer: Any, counts: BatchCounts, body: bytes) -> BatchStatus:
    if row.status:
        word = first(answer, row.status)
        if word is None and isinstance(answer, dict) and answer:
            return "queued"
        if not isinstance(word, str):
            raise _unreadable(body, f"no status at {' or '.join(row.status)}")
        return row.words.get(word, "running")
    if not counts.total:
        return "queued"
    if counts.pending:
        return "running"
    return next((status for path, status in row.signs.items() if at(answer, path)), "ended")


def _count(answer: Any, paths: tuple[str, ...]) -> int | None:
    """The sum of what stands at the paths; Google writes numbers as strings."""
    numbers = [int(found) for path in paths if re.fullmatch(r"\d+", str(found := at(answer, path)))]
    return sum(numbers) if numbers else None


def _percent(answer: Any, path: str) -> float | None:
    found = at(answer, path) if path else None
    return float(found) if isinstance(found, (int, float)) else None


class Line(msgspec.Struct):
    """One result as it came: its `key`, and a whole answer (`body`), or an error.

    `status` is the HTTP status, if it is told. `ending` says that the request was never made.
    """

    key: str
    body: bytes | None = None
    status: int | None = None
    failure: bytes | None = None
    ending: str | None = None


def results_in(outcome: Outcome, answer: Any) -> Any:
    """What stands at the outcome's place in a batch's answer; `None` if there is nothing, or no place to look at."""
    return first(answer, outcome.at) if outcome.at else None


def page_in(outcome: Outcome, body: bytes) -> tuple[list[Any], str | None]:
    """The results of a page, and the token of the next."""
    answer = decoded(body)
    items, token = at(answer, outcome.items), at(answer, outcome.next)
    return items if isinstance(items, list) else [], token if isinstance(token, str) and token else None


def read_line(row: Batch, found: Any, place: int) -> Line:
    """A result, taken apart; `place` is its place among all, which stands for its key if that is all there is.

    Raises:
        StreamProtocolError: it is not a result.
    """
    key = first(found, row.key)
    if key is None and row.in_order:
        key = str(place)
    if key is None:
        raise _unreadable(json_bytes(found), f"no key at {' or '.join(row.key)}")
    made = Line(str(key))
    status = at(found, row.answer_status) if row.answer_status else None
    made.status = status if isinstance(status, int) and not isinstance(status, bool) else None
    made.ending = next(
        (row.endings[word] for path in row.ending if (word := str(at(found, path))) in row.endings), None
    )
    answer, error = first(found, row.answer), first(found, row.error)
    refused = made.status is not None and made.status >= 400
    if answer is not None and not refused:
        made.body = json_bytes(answer)
        return made
    made.failure = json_bytes(_as_error(answer if error is None else error))
    made.status = made.status or _stands_for(row, error)
    return made


def _as_error(error: Any) -> Any:
    """An error in the form of an error body."""
    if isinstance(error, dict) and ("error" in error or "detail" in error):
        return error
    return {"error": error if isinstance(error, dict) else {"message": str(error or "it has no answer and no error")}}


def _stands_for(row: Batch, error: Any) -> int | None:
    code = error.get("code") if isinstance(error, dict) else None
    return row.error_status.get(code) if isinstance(code, int) else None


def decoded(body: bytes) -> Any:
    """The body's JSON.

    Raises:
        StreamProtocolError: it is not JSON.
    """
    return read_json(body, _WHAT)


def first(value: Any, paths: Iterable[str]) -> Any:
    """What stands at the first of the paths at which there is something."""
    return next(_found(value, paths), None)


def _found(value: Any, paths: Iterable[str]) -> Iterator[Any]:
    return (found for path in paths if (found := at(value, path)) not in (None, "", []))


def _unreadable(body: bytes, detail: str) -> StreamProtocolError:
    return unreadable(body, detail, _WHAT)

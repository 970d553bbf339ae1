"""Load and save captures on disk; it does not know who records or replays them.

A capture is two files: `<name>.sse`, `.ndjson`, `.json` or `.bin` (the body, byte for byte) and `<name>.meta.json`
(everything else), in a folder named after the provider. `load_shared` reads a second layout (`.body`, `.json`,
`.expected.json`).
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from ..core.secrets import CREDENTIAL_HEADERS, hide_query
from .capture import Capture, Origin
from .errors import CaptureError, SecretFoundError
from .eventstream import is_event_stream
from .secrets import IDENTITY_HEADERS, find_secret

Kind = TypeVar("Kind")

META_SUFFIX = ".meta.json"
BODY_SUFFIXES = (".sse", ".ndjson", ".json", ".bin")

_SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,150}")
_ENDS_THE_STEM = re.compile(r"\.meta$|\.(?:sse|ndjson|json|bin)$")


class _Meta(msgspec.Struct, kw_only=True, omit_defaults=True):
    provider: str
    dialect: str
    model: str
    streaming: bool
    path: str
    method: str = "POST"
    request: dict[str, Any] | None = None
    status: int
    headers: dict[str, str]
    origin: Origin
    source: str = ""
    reads: list[tuple[float, int]] | None = None
    head_ms: float | None = None
    partial: bool = False
    expected: dict[str, Any] | None = None


class _SharedMeta(msgspec.Struct, kw_only=True):
    provider: str
    dialect: str
    model: str | None = None
    streaming: bool
    http_status: int
    response_headers: dict[str, str] | None = None
    request_path: str | None = None
    request_body: dict[str, Any] | None = None
    source_repo: str = ""
    source_path: str = ""
    commit: str = ""
    raw: bool = True


def load(path: Path | str) -> Capture:
    """The capture at `path`: its body's file, its `.meta.json`, or the two without their suffix.

    Raises `CaptureError` where one of the two files is missing or the meta file does not fit.
    """
    path = Path(path)
    stem = _stem(path)
    body = _body_file(path.parent, stem)
    meta = _read(path.parent / (stem + META_SUFFIX), _Meta)
    fields = {name: getattr(meta, name) for name in _Meta.__struct_fields__}
    return Capture(name=stem, body=body.read_bytes(), file=body, **fields)


def load_folder(folder: Path | str) -> list[Capture]:
    """Every capture below `folder`, in the order of their paths.

    Raises `CaptureError` where the folder is missing, a file has no partner, or two captures of a provider have the
    same name.
    """
    folder = _existing(folder)
    captures = [load(meta) for meta in sorted(folder.rglob("*" + META_SUFFIX))]
    _check_orphans(folder, {capture.file for capture in captures})
    return _distinct(captures)


def load_shared(folder: Path | str) -> list[Capture]:
    """Every capture below `folder` in the layout `NAME.body`, `NAME.json`, `NAME.expected.json`, in path order.

    Raises `CaptureError` where the folder is missing or a meta file does not fit.
    """
    return _distinct([_load_shared(body) for body in sorted(_existing(folder).rglob("*.body"))])


def captures_of(source: Path | str | Iterable[Capture]) -> list[Capture]:
    """The captures at a path (a folder in either layout, or one capture), or those given."""
    if not isinstance(source, (str, Path)):
        return list(source)
    path = Path(source)
    if not path.is_dir():
        if not any(path.parent.glob(_stem(path) + ".*")):
            raise CaptureError(f"there is no folder or capture {path}")
        return [load(path)]
    return load_shared(path) if next(path.rglob("*.body"), None) else load_folder(path)


def save(capture: Capture, folder: Path | str) -> Path:
    """Write the capture below `folder` as `<provider>/<name>` and return the body's path.

    Each file appears whole or not at all. A capture of that name is replaced.
    Raises `CaptureError` where provider or name would not stay a plain file name inside `folder`, and
    `SecretFoundError`, with nothing written, if a credential is still in it.
    """
    _check_names(capture)
    meta = _encode_meta(capture)
    _check_secrets(capture, meta)
    target = Path(folder) / capture.provider
    target.mkdir(parents=True, exist_ok=True)
    if target.resolve().parent != Path(folder).resolve():
        raise CaptureError(f"{target} leads out of {folder}")
    body = target / (capture.name + body_suffix(capture))
    for suffix in BODY_SUFFIXES:
        if suffix != body.suffix:
            (target / (capture.name + suffix)).unlink(missing_ok=True)
    _write_atomically(body, capture.body)
    _write_atomically(target / (capture.name + META_SUFFIX), meta)
    return body


def body_suffix(capture: Capture) -> str:
    """The body's file suffix, by its content type: `.sse`, `.ndjson`, `.json` or `.bin`."""
    kind = capture.content_type.partition(";")[0].strip().lower()
    known = {"text/event-stream": ".sse", "application/x-ndjson": ".ndjson", "application/json": ".json"}
    if is_event_stream(kind):
        return ".bin"
    return known.get(kind, ".sse" if capture.streaming else ".json")


def is_safe_name(name: str) -> bool:
    """Whether `name` can name a capture: letters, digits, `.`, `_`, `-`, no mark at the start, no suffix of ours."""
    return bool(_SAFE_NAME.fullmatch(name)) and ".." not in name and not _ENDS_THE_STEM.search(name)


def _stem(path: Path) -> str:
    name = path.name
    for suffix in (META_SUFFIX, *BODY_SUFFIXES):
        if name.endswith(suffix):
            return name.removesuffix(suffix)
    return name


def _body_file(folder: Path, stem: str) -> Path:
    found = [path for suffix in BODY_SUFFIXES if (path := folder / (stem + suffix)).is_file()]
    if len(found) != 1:
        told = f"{len(found)} bodies ({', '.join(path.name for path in found)})" if found else "no body"
        raise CaptureError(f"capture {folder / stem} has {told}; it needs one of {', '.join(BODY_SUFFIXES)}")
    return found[0]


def _read(path: Path, kind: type[Kind]) -> Kind:
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except FileNotFoundError:
        raise CaptureError(f"{path} is missing") from None
    except msgspec.MsgspecError as error:
        raise CaptureError(f"{path} is not a capture's meta file: {error}") from error


def _existing(folder: Path | str) -> Path:
    folder = Path(folder)
    if not folder.is_dir():
        raise CaptureError(f"there is no folder {folder}")
    return folder


def _check_orphans(folder: Path, known: set[Path | None]) -> None:
    for path in folder.rglob("*"):
        if path.suffix in BODY_SUFFIXES and not path.name.endswith(META_SUFFIX) and path not in known:
            raise CaptureError(f"{path} has no {_stem(path)}{META_SUFFIX}")


def _distinct(captures: list[Capture]) -> list[Capture]:
    seen: dict[str, Capture] = {}
    for capture in captures:
        if (other := seen.setdefault(capture.key, capture)) is not capture:
            raise CaptureError(f"{capture.file} and {other.file} are both called {capture.key}")
    return captures


def _load_shared(body: Path) -> Capture:
    meta = _read(body.with_suffix(".json"), _SharedMeta)
    expected = body.with_suffix(".expected.json")
    source = ":".join(part for part in (meta.source_repo, meta.source_path) if part)
    return Capture(
        name=body.stem,
        provider=meta.provider,
        dialect=meta.dialect,
        model=meta.model or "",
        streaming=meta.streaming,
        path=meta.request_path or "",
        body=body.read_bytes(),
        request=meta.request_body,
        status=meta.http_status,
        headers=meta.response_headers or {},
        origin="recorded",
        source=f"{source}@{meta.commit}" if meta.commit else source,
        expected=_read(expected, dict) if expected.is_file() else None,
        file=body,
    )


def _check_names(capture: Capture) -> None:
    for kind, name in (("provider", capture.provider), ("name", capture.name)):
        if not is_safe_name(name):
            raise CaptureError(f"{name!r} cannot be a capture's {kind}: letters, digits, '.', '_' and '-' only")


def _encode_meta(capture: Capture) -> bytes:
    meta = _Meta(**{name: getattr(capture, name) for name in _Meta.__struct_fields__})
    return msgspec.json.format(msgspec.json.encode(meta), indent=2) + b"\n"


def _check_secrets(capture: Capture, meta: bytes) -> None:
    for where, data in _parts(capture, meta):
        if kind := find_secret(data):
            raise SecretFoundError(capture.key, where, kind)
    refused = CREDENTIAL_HEADERS | (IDENTITY_HEADERS if capture.origin == "recorded" else frozenset())
    for name in capture.headers:
        if name.lower() in refused:
            raise SecretFoundError(capture.key, "headers", f"an account's header ({name})")
    query = capture.path.partition("?")[2]
    if hide_query(query) != query:
        raise SecretFoundError(capture.key, "path", "a key passed in the query")


def _parts(capture: Capture, meta: bytes) -> Iterator[tuple[str, bytes]]:
    yield "body", capture.body
    yield "path", capture.path.encode()
    yield "headers", msgspec.json.encode(capture.headers)
    yield "request", msgspec.json.encode(capture.request)
    yield "meta file", meta


def _write_atomically(path: Path, data: bytes) -> None:
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise

"""Import VCR.py cassettes: the exchanges of a YAML file become redacted captures, whoever recorded them.

The layout is VCR.py's version 1 (`vcr/serialize.py`, https://vcrpy.readthedocs.io): `interactions`, each a `request`
(`method`, `uri`, `headers`, `body`) and a `response` (`status`, `headers`, `body: {string}`); its older httpx stub
wrote `status_code` and `content` instead, and some serializers a `parsed_body`. A cassette has no read boundaries.
"""

from __future__ import annotations

import importlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import msgspec

from ..http.content_coding import CodingError, coding_of
from .capture import Capture
from .errors import CaptureError
from .recording import BodyHook, Recording, Settings
from .secrets import Redactor
from .store import save


def read_cassette(
    cassette: Path | str,
    *,
    provider: str | None = None,
    dialect: str | None = None,
    redact: Iterable[str] = (),
    body_hook: BodyHook | None = None,
) -> list[Capture]:
    """The cassette's exchanges as captures named after its file (`tides`, `tides_2`, ...), streams and whole answers.

    The options are those of `RecordingTransport`; credentials are blotted out in the same way.

    Raises:
        CaptureError: PyYAML is not installed, or the file is not a cassette; the message says where it does not fit.
    """
    path = Path(cassette)
    settings = Settings(Redactor(redact), provider, dialect, body_hook, f"VCR cassette {path.name}")
    captures = []
    for place, interaction in enumerate(_interactions(path), 1):
        try:
            captures.append(_capture(interaction, settings))
        except (AttributeError, KeyError, TypeError, ValueError, httpx.InvalidURL) as error:
            raise CaptureError(f"{path}: interaction {place} does not fit: {error!r}") from None
    return _named(captures, path)


def import_cassette(cassette: Path | str, folder: Path | str, **options: Any) -> list[Path]:
    """Write the captures of a cassette below `folder`; their bodies' files. `options` are those of `read_cassette`.

    Raises:
        CaptureError: as `read_cassette`, or one of that name is there already.
        SecretFoundError: something like a credential is left in one.
    """
    captures = read_cassette(cassette, **options)
    for capture in captures:
        if (meta := Path(folder) / capture.provider / f"{capture.name}.meta.json").exists():
            raise CaptureError(f"{meta} is there already; remove it, or import into another folder")
    return [save(capture, folder) for capture in captures]


def cassettes_at(path: Path | str) -> list[Path]:
    """The cassette itself, or all `.yaml` and `.yml` files below a folder, in the order of their paths.

    Raises:
        CaptureError: the folder has none.
    """
    path = Path(path)
    if not path.is_dir():
        return [path]
    found = sorted(file for file in path.rglob("*") if file.suffix in (".yaml", ".yml"))
    if not found:
        raise CaptureError(f"{path} has no cassette: no .yaml or .yml file is below it")
    return found


def _interactions(path: Path) -> Iterator[Mapping[str, Any]]:
    try:
        yaml: Any = importlib.import_module("yaml")
    except ImportError:
        raise CaptureError("cassettes need PyYAML: pip install 'miiflow-llm[vcr]'") from None
    try:
        found = yaml.safe_load(path.read_bytes())
    except OSError as error:
        raise CaptureError(f"{path} cannot be read: {error.strerror}") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" at line {mark.line + 1}" if mark else ""
        raise CaptureError(f"{path} is not YAML that can be read safely{where}") from None
    listed = found.get("interactions") if isinstance(found, dict) else None
    if not isinstance(listed, list):
        raise CaptureError(f"{path} is not a VCR cassette: it has no list `interactions`")
    yield from listed


def _capture(interaction: Mapping[str, Any], settings: Settings) -> Capture:
    asked, answered = interaction["request"], interaction["response"]
    content = _bytes(asked["parsed_body"] if "parsed_body" in asked else asked.get("body"))
    headers = [pair for pair in _headers(asked) if pair[0].lower() != "content-length"]
    recording = Recording(httpx.Request(asked["method"], asked["uri"], headers=headers, content=content), settings)
    kept = _headers(answered)
    body = _plain(_body(answered), httpx.Headers(kept).get("content-encoding", ""))
    plain = [pair for pair in kept if pair[0].lower() != "content-encoding"]
    recording.head(httpx.Response(_status(answered), headers=plain))
    recording.read(body)
    recording.ended = True
    capture = recording.capture()
    assert capture is not None  # noqa: S101  its head has come
    return msgspec.structs.replace(capture, reads=None, head_ms=None)  # a cassette does not know them


def _headers(message: Mapping[str, Any]) -> list[tuple[str, str]]:
    pairs = message.get("headers") or {}
    listed = pairs.items() if isinstance(pairs, Mapping) else pairs
    return [(name, _text(one)) for name, value in listed for one in (value if isinstance(value, list) else [value])]


def _text(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def _status(answered: Mapping[str, Any]) -> int:
    status = answered.get("status")
    return int(status["code"] if isinstance(status, Mapping) else answered["status_code"])


def _body(answered: Mapping[str, Any]) -> bytes:
    if "parsed_body" in answered:
        return _bytes(answered["parsed_body"])
    body = answered["body"] if "body" in answered else answered.get("content")
    return _bytes(body.get("string") if isinstance(body, Mapping) else body)


def _bytes(value: Any) -> bytes:
    if value is None:
        return b""
    if isinstance(value, str):
        return value.encode()
    return value if isinstance(value, bytes) else msgspec.json.encode(value)


def _plain(body: bytes, encoding: str) -> bytes:
    """The body without its coding; as it is where the cassette kept it decoded under its old header."""
    try:
        coding = coding_of(encoding)
        if coding is None:
            return body
        coding.feed(body)
        plain = b"".join(iter(coding.take, b""))
        coding.finish()
    except CodingError:
        return body
    return plain


def _named(captures: list[Capture], path: Path) -> list[Capture]:
    stem = re.sub(r"[^A-Za-z0-9_-]+", "-", path.stem).strip("-_") or "cassette"
    seen: Counter[str] = Counter()
    for capture in captures:
        seen[capture.provider] += 1
        capture.name = stem if seen[capture.provider] == 1 else f"{stem}_{seen[capture.provider]}"
    return captures

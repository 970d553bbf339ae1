"""What is to be asked: read prompts of an iterable, an async iterator or a file, and give requests with a digest each.

Input is pulled one by one and never listed, so that memory does not grow with it.
"""

from __future__ import annotations

import csv
import hashlib
import importlib
from collections.abc import AsyncGenerator, AsyncIterable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import msgspec

from ..calls.parameters import NAMES
from ..calls.prompts import BatchRequest, as_request
from ..core.exceptions import ConfigurationError
from ..core.messages import Message, as_messages

BulkRequest = BatchRequest
"""The same under the name that it has here."""
Prompts: TypeAlias = Iterable[Any] | AsyncIterable[Any] | str | Path
"""Prompts, each a string, messages, a `BulkRequest` or a mapping with `prompt` or `messages`; or a file of them."""


class Order(msgspec.Struct):
    """A request with its place and the digest of all that it says."""

    number: int
    key: str | None
    messages: list[Message]
    parameters: dict[str, Any]
    digest: bytes


async def orders(prompts: Prompts, shared: Mapping[str, Any]) -> AsyncGenerator[Order, None]:
    """Every prompt as an order, `shared` being the parameters of all.

    Raises:
        ConfigurationError: a file that cannot be read, or a prompt that is not one; the message says which.
    """
    number = 0
    source = from_file(Path(prompts)) if isinstance(prompts, (str, Path)) else prompts
    if isinstance(source, AsyncIterable):
        try:
            async for prompt in source:
                yield order(number, prompt, shared)
                number += 1
        finally:
            if hasattr(source, "aclose"):
                await source.aclose()
        return
    for prompt in source:
        yield order(number, prompt, shared)
        number += 1


def order(number: int, prompt: Any, shared: Mapping[str, Any]) -> Order:
    """One prompt as an order.

    Raises:
        ConfigurationError: it is not a prompt.
    """
    try:
        request = as_request(prompt)
        messages = as_messages(request.messages)
    except ConfigurationError as reason:
        raise ConfigurationError(f"prompt {number}: {reason.message}") from None
    except TypeError:
        raise ConfigurationError(f"prompt {number}: {prompt!r} is neither words nor messages") from None
    parameters = {**shared, **request.parameters}
    unknown = next((name for name in request.parameters if name not in NAMES), None)
    if unknown is not None:
        raise ConfigurationError(f"prompt {number}: {unknown!r} is not a parameter of a call")
    said = msgspec.json.encode([messages, {name: _plain(value) for name, value in sorted(parameters.items())}])
    digest = hashlib.blake2b(said, digest_size=12).digest()
    return Order(number, request.key, messages, parameters, digest)


def _plain(value: Any) -> Any:
    """A parameter as it is told apart: values that have a JSON form by that, types and functions by their names."""
    try:
        return msgspec.to_builtins(value)
    except (TypeError, msgspec.MsgspecError):
        return f"{getattr(value, '__module__', '')}.{getattr(value, '__qualname__', repr(value))}"


def from_file(path: Path) -> Iterator[Any]:
    """The prompts of a file: `.jsonl` and `.ndjson`, `.csv`, `.parquet` (needs pyarrow), or text, a prompt a line.

    Raises:
        ConfigurationError: it cannot be read.
    """
    try:
        readers = {".jsonl": _json_lines, ".ndjson": _json_lines, ".csv": _csv, ".parquet": _parquet}
        yield from readers.get(path.suffix, _lines)(path)
    except OSError as reason:
        raise ConfigurationError(f"{path} cannot be read: {reason.strerror or reason}") from None


def _json_lines(path: Path) -> Iterator[Any]:
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                yield msgspec.json.decode(line)
            except msgspec.DecodeError as reason:
                raise ConfigurationError(f"{path}, line {number}: this is not JSON: {reason}") from None


def _csv(path: Path) -> Iterator[Any]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        yield from csv.DictReader(file)


def _parquet(path: Path) -> Iterator[Any]:
    try:
        parquet: Any = importlib.import_module("pyarrow.parquet")
    except ImportError:
        raise ConfigurationError("a Parquet file needs pyarrow: pip install pyarrow") from None
    for batch in parquet.ParquetFile(path).iter_batches(1000):
        yield from batch.to_pylist()


def _lines(path: Path) -> Iterator[str]:
    with path.open(encoding="utf-8") as file:
        yield from (line.rstrip("\n") for line in file if line.strip())

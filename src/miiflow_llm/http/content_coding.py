"""Undo an answer's content coding, in plain pieces of at most `PIECE` bytes.

A piece is made only when it is asked for, so that a bomb (a megabyte that stands for a gigabyte) never lies unpacked in
memory: what bounds a frame or a body bounds it too. No I/O.
"""

from __future__ import annotations

import zlib
from typing import Any, Protocol

PIECE = 64 * 1024
"""The most that is unpacked at once, in bytes."""

ACCEPTED = "gzip, deflate"
"""What requests ask for. brotli and zstd are read too where their packages are installed, but not asked for."""

_ZSTD_SLICE = 256
_ZSTD_WINDOW = 8 * 1024 * 1024  # RFC 8878, section 3.1.1.1.2: what every decoder should take


class CodingError(ValueError):
    """The bytes are not in the coding that they are said to be in, were cut short, or the coding is not known here."""


class Coding(Protocol):
    """Coded bytes by `feed`; plain ones by `take`, `b""` when more must be fed; `finish` says whether all came."""

    def feed(self, data: bytes) -> None: ...

    def take(self) -> bytes: ...

    def finish(self) -> None: ...


def coding_of(content_encoding: str) -> Coding | None:
    """What undoes `content_encoding`, `None` if there is nothing to undo.

    Raises:
        CodingError: it names a coding that cannot be read here.
    """
    names = [name.strip().lower() for name in content_encoding.split(",")]
    codings = [_named(name) for name in names if name not in ("", "identity")]
    if len(codings) > 2:
        raise CodingError("more than two content codings, one in another")
    if len(codings) == 2:
        return _Chain(codings[1], codings[0])
    return codings[0] if codings else None


def _named(name: str) -> Coding:
    if name in ("gzip", "x-gzip"):
        return _Inflate(zlib.MAX_WBITS | 16)
    if name == "deflate":
        return _Inflate(zlib.MAX_WBITS)
    try:
        if name == "br":
            return _Brotli()
        if name == "zstd":
            return _Zstd()
    except ImportError:
        pass
    raise CodingError(f"the body is in a content coding that is not known here: {name[:40]}")


class _Inflate:
    """gzip (several members too) and deflate (zlib's form, and the bare one that some servers send)."""

    def __init__(self, bits: int) -> None:
        self._bits = bits
        self._inflate = zlib.decompressobj(bits)
        self._coded = b""
        self._begun = False

    def feed(self, data: bytes) -> None:
        self._coded += data

    def take(self) -> bytes:
        while True:
            if self._inflate.eof and self._coded:
                self._inflate = zlib.decompressobj(self._bits)
            before = self._coded
            plain = self._unpacked(before)
            self._coded = self._inflate.unused_data if self._inflate.eof else self._inflate.unconsumed_tail
            if plain or not self._coded or self._coded == before:
                return plain

    def _unpacked(self, coded: bytes) -> bytes:
        try:
            plain = self._inflate.decompress(coded, PIECE)
        except zlib.error as reason:
            if self._begun or self._bits != zlib.MAX_WBITS:
                raise CodingError(f"the body is not in its content coding: {reason}") from None
            self._bits, self._begun = -zlib.MAX_WBITS, True
            self._inflate = zlib.decompressobj(self._bits)
            return self._unpacked(coded)
        self._begun = self._begun or bool(plain)
        return plain

    def finish(self) -> None:
        if not self._inflate.eof:
            raise CodingError("the coded body was cut short")


class _Brotli:
    def __init__(self) -> None:
        import brotli  # type: ignore[import-not-found,import-untyped,unused-ignore]

        self._unpack: Any = brotli.Decompressor()
        if not hasattr(self._unpack, "can_accept_more_data"):  # before brotli 1.2 nothing bounds what comes out
            raise ImportError("brotli")
        self._error: type[Exception] = brotli.error
        self._coded = b""
        self._plain = b""

    def feed(self, data: bytes) -> None:
        self._coded += data

    def take(self) -> bytes:
        if not self._plain:
            coded = b""
            if self._unpack.can_accept_more_data():
                coded, self._coded = self._coded, b""
            try:
                self._plain = self._unpack.process(coded, output_buffer_limit=PIECE)  # which it exceeds a little
            except self._error as reason:
                raise CodingError(f"the body is not in its content coding: {reason}") from None
        piece, self._plain = self._plain[:PIECE], self._plain[PIECE:]
        return piece

    def finish(self) -> None:
        if not self._unpack.is_finished():
            raise CodingError("the coded body was cut short")


class _Zstd:
    """In slices: a byte of zstd stands for 32 KiB at most, and the package bounds its output in no other way."""

    def __init__(self) -> None:
        import zstandard  # type: ignore[import-not-found,unused-ignore]

        self._new: Any = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW).decompressobj
        self._error: type[Exception] = zstandard.ZstdError
        self._unpack: Any = self._new()
        self._coded = b""
        self._plain = b""

    def feed(self, data: bytes) -> None:
        self._coded += data

    def take(self) -> bytes:
        while self._coded and not self._plain:
            part, self._coded = self._coded[:_ZSTD_SLICE], self._coded[_ZSTD_SLICE:]
            try:
                self._plain = self._unpack.decompress(part)
            except self._error as reason:
                raise CodingError(f"the body is not in its content coding: {reason}") from None
            if self._unpack.eof:
                self._coded = self._unpack.unused_data + self._coded
                if self._coded:
                    self._unpack = self._new()
        piece, self._plain = self._plain[:PIECE], self._plain[PIECE:]
        return piece

    def finish(self) -> None:
        if not self._unpack.eof:
            raise CodingError("the coded body was cut short")


class _Chain:
    """One coding inside another."""

    def __init__(self, outer: Coding, inner: Coding) -> None:
        self._outer = outer
        self._inner = inner

    def feed(self, data: bytes) -> None:
        self._outer.feed(data)

    def take(self) -> bytes:
        while not (plain := self._inner.take()):
            coded = self._outer.take()
            if not coded:
                return b""
            self._inner.feed(coded)
        return plain

    def finish(self) -> None:
        self._outer.finish()
        self._inner.finish()

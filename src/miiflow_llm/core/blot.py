"""Find secrets in bytes and text, in every form that JSON, URLs, HTML and base64 have for them, and blot them out.

The cost is linear in the bytes, whatever they are: each repetition in a pattern has an end.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any, TypeAlias

from .secrets import BEFORE_A_KEY, HIDDEN, KEY_FORMATS, SHORTEST_KEY

Bytes: TypeAlias = bytes  # `Blot` has a method of that name
Replace = Callable[[bytes], bytes]

_FORMATS = re.compile("|".join(f"{BEFORE_A_KEY}{pattern}" for _, pattern in KEY_FORMATS))
_KIND = re.compile(r"[Bb]earer |sk-ant-|sk-or-|sk-|AIza|[a-z]+[_-]")
_HALF_ESCAPE = re.compile(
    rb"\\{0,31}(?:u[0-9a-f{]{0,7}|x[0-9a-f]?|[0-7]{1,2})?|%[0-9a-fu]{0,4}|&[#a-z0-9]{0,9}", re.IGNORECASE
)
"""What is left of an escape at the end of a text that was cut off."""
_CLOSING = b"'\"`.)]}"
_MARKS = (b"\\", b"%", b"&")
_LONGEST_FORM = 12


class Finder:
    """Finds `secrets`, in any case and any escaped form; short ones only as they are."""

    def __init__(self, secrets: Iterable[str]) -> None:
        known = sorted({str(one) for one in secrets if one}, key=len, reverse=True)
        self._long = [one for one in known if len(one) >= SHORTEST_KEY]
        self._short = [one.encode("utf-8", "surrogatepass") for one in known if len(one) < SHORTEST_KEY]
        self._plain = [form for one in self._long for form in _encoded(one)]
        self._begun = [form[:SHORTEST_KEY] for form in self._plain]
        self._reach = _LONGEST_FORM * max(map(len, known), default=0)

    def sub(self, data: bytes, replace: Replace) -> bytes:
        """`data` with each secret in it as `replace` has it."""
        for short in self._short:
            data = data.replace(short, replace(short))
        lowered = data.lower()
        for form in self._plain:
            if form in lowered:
                data = _replaced(data, form, replace)
                lowered = data.lower()
        if self._long and any(mark in data for mark in _MARKS):
            data = _in_any_form(tuple(self._long)).sub(lambda found: replace(found[0]), data)
        return data

    def cut_off(self, data: bytes) -> int:
        """How many bytes at the end of `data` are the beginning of a secret that it cuts off; 0 if there is none."""
        tail = data[-self._reach :] if self._reach else b""
        lowered = tail.lower()
        pairs = zip(self._plain, self._begun, strict=True)
        found = [_beginning(lowered, form) for form, begun in pairs if begun in lowered]
        if any(mark in tail for mark in _MARKS):
            found += [_escaped_beginning(tail, one) for one in self._long]
        return max(found, default=0)


class Blot:
    """Blots out secrets: those it is given, in every escaped form and in any case, and all that looks like a key."""

    def __init__(self, secrets: Iterable[str]) -> None:
        self._finder = Finder(one for one in secrets if len(one) >= SHORTEST_KEY)

    def text(self, text: str) -> str:
        """`text` without the secrets; one that the end of the text cuts off is blotted out too."""
        data = text.encode("utf-8", "surrogatepass")
        blotted = self._without_beginning(self._finder.sub(data, _hidden))
        if blotted is not data:
            text = blotted.decode("utf-8", "surrogatepass")
        return _FORMATS.sub(_but_for_its_kind, text)

    def bytes(self, data: bytes) -> bytes:
        """The same for bytes."""
        return self.text(data.decode("latin-1")).encode("latin-1")

    def _without_beginning(self, data: Bytes) -> Bytes:
        """The text without a secret that it cuts off, be it in quotation marks."""
        for text in (data, data.rstrip(_CLOSING)):
            cut = self._finder.cut_off(text)
            if cut:
                return text[:-cut] + _hidden(b"") + data[len(text) :]
        return data

    def value(self, value: Any) -> Any:
        """The same for every text in a value of plain types."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, bytes):
            return self.bytes(value)
        if isinstance(value, dict):
            return {self.value(key): self.value(one) for key, one in value.items()}
        if isinstance(value, (list, tuple)):
            return type(value)(self.value(one) for one in value)
        return value


@lru_cache(maxsize=64)
def blot_of(secrets: tuple[str, ...]) -> Blot:
    """The `Blot` of these secrets, made once."""
    return Blot(secrets)


def _hidden(_: bytes) -> bytes:
    return HIDDEN.encode()


def _encoded(secret: str) -> list[bytes]:
    """The secret in lower case: as it is, in hexadecimal, and in base64 behind whatever stands before it."""
    data = secret.encode("utf-8", "surrogatepass")
    forms = [data, data.hex().encode()]
    for before in range(3):
        encoded = base64.b64encode(bytes(before) + data)
        core = encoded[-(-before * 8 // 6) : (before + len(data)) * 8 // 6]  # what its neighbours have no bits in
        forms += [core, core.replace(b"+", b"-").replace(b"/", b"_"), core.replace(b"/", b"\\/")]
    return [*dict.fromkeys(form.lower() for form in forms)]


def _replaced(data: bytes, form: bytes, replace: Replace) -> bytes:
    lowered = data.lower()
    at, last, parts = lowered.find(form), 0, list[bytes]()
    while at >= 0:
        end = at + len(form)
        parts += [data[last:at], replace(data[at:end])]
        at, last = lowered.find(form, end), end
    return b"".join([*parts, data[last:]])


def _beginning(tail: bytes, form: bytes) -> int:
    """How much of the end of `tail` is the beginning of `form`."""
    at = tail.rfind(form[:SHORTEST_KEY])
    return len(tail) - at if form.startswith(tail[at:]) else 0


def _escaped_beginning(tail: bytes, secret: str) -> int:
    """The same, with some of its characters escaped, and the last one perhaps in part."""
    for begun in _in_any_form((secret[:SHORTEST_KEY],)).finditer(tail):
        ends = {begun.start()}
        for character in secret:
            if any(end == len(tail) or _HALF_ESCAPE.fullmatch(tail, end) for end in ends):
                return len(tail) - begun.start()
            found = [form.match(tail, end) for form in _each_form(character) for end in ends]
            ends = {one.end() for one in found if one is not None}
    return 0


@lru_cache(maxsize=256)
def _in_any_form(secrets: tuple[str, ...]) -> re.Pattern[bytes]:
    return re.compile(b"|".join(b"".join(map(_forms, one)) for one in secrets), re.IGNORECASE)


_HTML = {'"': "quot", "&": "amp", "<": "lt", ">": "gt", "'": "apos"}


@lru_cache(maxsize=256)
def _each_form(character: str) -> list[re.Pattern[bytes]]:
    return [re.compile(form, re.IGNORECASE) for form in _all_forms(character)]


@lru_cache(maxsize=256)
def _forms(character: str) -> bytes:
    """A pattern for one character in any form."""
    return b"(?:%s)" % b"|".join(_all_forms(character))


def _all_forms(character: str) -> list[bytes]:
    """Patterns for one character: as it is, and in the escapes of JSON, of languages, of URLs and of HTML.

    Each may be escaped again: five levels of JSON in JSON are 31 backslashes, and eight of URLs `%25252525252525253D`.
    """
    number, data = ord(character), character.encode("utf-8", "surrogatepass")
    units = character.encode("utf-16-be", "surrogatepass")
    forms = [
        r"\\{0,31}" + re.escape(data).decode("latin-1"),
        "".join(rf"\\{{1,31}}u{units[place : place + 2].hex()}" for place in range(0, len(units), 2)),
        rf"\\{{1,31}}u\{{0{{0,6}}{number:x}\}}",
        "".join(rf"\\{{1,31}}x{byte:02x}" for byte in data),
        "".join(rf"\\{{1,31}}{byte:03o}" for byte in data),
        "".join(f"%(?:25){{0,8}}{byte:02x}" for byte in data),
        "".join(f"%u{units[place : place + 2].hex()}" for place in range(0, len(units), 2)),
        f"&#0{{0,7}}{number};?",
        f"&#x0{{0,7}}{number:x};?",
    ]
    if character in _HTML:
        forms.append(f"&{_HTML[character]};")
    return [form.encode("latin-1") for form in forms]


def _but_for_its_kind(found: re.Match[str]) -> str:
    """A key blotted out except for its documented beginning, so that a reader sees what it was."""
    kind = _KIND.match(found.group())
    return (kind.group() if kind else "") + HIDDEN

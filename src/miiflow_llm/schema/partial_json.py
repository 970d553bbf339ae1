"""Read JSON that is still being written, as far as it goes.

The text comes in pieces cut anywhere. Each character is read once, whatever came before it, so that the cost of a delta
depends only on the delta. The reader knows JSON; of types, schemas (`shape`) and providers it knows nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final, NoReturn, TypeAlias, cast

import msgspec

from ..core.exceptions import ParsingError
from ..core.json_text import ESCAPE, REPLACEMENT, is_half_escape, path_text, unescaped
from .growing_value import NOTHING, GrowingValue, Nothing, Shape

MAX_DEPTH: Final = 512


_Match: TypeAlias = Callable[[str, int], re.Match[str]]
# Patterns that match the empty string too, so that `match` never gives None.
_past_space = cast("_Match", re.compile(r"[ \t\n\r]*").match)
_past_plain = cast("_Match", re.compile(r'[^"\\\x00-\x1f\ud800-\udfff]*').match)
_past_number = cast("_Match", re.compile(r"[-+.0-9eE]*").match)

_LITERALS: Final[dict[str, tuple[str, bool | None]]] = {
    "t": ("true", True),
    "f": ("false", False),
    "n": ("null", None),
}


class _Prose(Exception):
    """What looked like the beginning of JSON was not; go on looking from `position`."""

    def __init__(self, position: int) -> None:
        self.position = position


class PartialJSON(GrowingValue):
    """Reads one JSON value as its text arrives.

    Strings grow; lists and objects fill; a member stands in its object only when its value has begun and can
    be shown: a number, `true`, `false` and `null` when they are finished, a string from its opening quote on,
    never with half an escape or half a surrogate pair. Of duplicate keys the last wins. A lone surrogate,
    escaped or raw, becomes U+FFFD, and a raw control character in a string is taken, as by `to_type.decode_as`.
    Numbers out of a double's range, and integers longer than Python converts, are errors, as they are to msgspec.

    `lenient` looks for the first object or array in a text that has prose or Markdown fences around it, and
    stops reading at its end; an opening bracket that no key, element or end follows was prose. `openers` limits
    what begins a value there: `"{"` where only an object will do.

    `max_depth` is the number of containers that may be open at once.
    """

    def __init__(
        self,
        *,
        lenient: bool = False,
        openers: str = "{[",
        max_depth: int = MAX_DEPTH,
        shape: Shape | None = None,
    ) -> None:
        super().__init__(shape)
        self.start: int = 0
        """Characters before the value, with `lenient`."""
        self.end: int | None = None
        """Characters up to the end of the value; None while it is open."""
        self._lenient = lenient
        self._opener = re.compile(f"[{re.escape(openers)}]")
        self._max_depth = max_depth
        self._read = 0  # characters fed
        self._base = 0  # position of the text in hand
        self._held = ""  # half an escape or literal, at most 11 characters
        self._failure: tuple[str, int] | None = None
        self._reset()

    def _reset(self) -> None:
        self._clear()
        self._parts: list[str] = []  # of a number, a key, or a string that is not shown yet
        self._in_key = self._hidden = False
        self._step: _Step = PartialJSON._on_prose if self._lenient else PartialJSON._on_value

    def feed(self, text: str) -> None:
        """Read the next piece of text.

        Raises:
            ParsingError: the text is not JSON, or is nested too deeply; `path` and the position in `reason` say
                where. What `value` held stays. Every later call raises the same.
        """
        if self._failure is not None:
            self._raise(text)
        self._base = self._read - len(self._held)
        self._read += len(text)
        if self._held:
            text, self._held = self._held + text, ""
        position, length = 0, len(text)
        while position < length:
            try:
                position = self._step(self, text, position)
            except _Prose as prose:
                position = prose.position
                self._reset()
        if self._failure is not None:
            self._raise(text)

    def finish(self) -> Any:
        """The whole value, when no more text will come.

        Raises:
            ParsingError: the text ended before the value did.
        """
        if self._failure is None and not self.complete:
            self._base, at = self._read, 0
            if len(self._stack) == 1 and self._step is PartialJSON._on_number:
                self._end_number(at)
            else:
                self._failure = (self._unfinished(), self._read)
        if self._failure is not None:
            self._raise("")
        return self._root[0]

    def _unfinished(self) -> str:
        if self._root or not self._lenient:
            return "the text ends before the JSON does"
        return "there is no JSON object or array in the text"

    def _fail(self, reason: str, at: int, length: int) -> int:
        """Note the failure and stop reading; with `lenient`, a value that has not begun was prose."""
        if self._lenient and not (self._root and self._root[0]):
            raise _Prose(at)
        self._failure = (reason, self._base + at)
        return length

    def _raise(self, text: str) -> NoReturn:
        reason, position = cast("tuple[str, int]", self._failure)
        path = path_text(self.open_path or ())
        reason = f"{reason} (character {position})"
        raise ParsingError(f"not JSON at {path}: {reason}", text=text[:200], path=path, reason=reason)

    # Each step takes what may come next: it is given text and position, and returns the position that it read up to.

    def _on_prose(self, text: str, at: int) -> int:
        found = self._opener.search(text, at)
        if found is None:
            return len(text)
        self.start = self._base + found.start()
        return self._open(text, found.start())

    def _on_value(self, text: str, at: int) -> int:
        at = _past_space(text, at).end()
        if at == len(text):
            return at
        char = text[at]
        if char == '"':
            return self._open_string(text, at + 1)
        if char in "{[":
            return self._open(text, at)
        if char in "-0123456789":
            self._step = PartialJSON._on_number
            return at
        if char in _LITERALS:
            self._step = PartialJSON._on_literal
            return at
        return self._fail(f"{char!r} stands where the next value begins", at, len(text))

    def _on_first_item(self, text: str, at: int) -> int:
        at = _past_space(text, at).end()
        if at < len(text):
            if text[at] == "]":
                return self._close(at + 1)
            self._step = PartialJSON._on_value
        return at

    def _on_first_key(self, text: str, at: int) -> int:
        at = _past_space(text, at).end()
        if at < len(text):
            if text[at] == "}":
                return self._close(at + 1)
            self._step = PartialJSON._on_key
        return at

    def _on_key(self, text: str, at: int) -> int:
        at = _past_space(text, at).end()
        if at == len(text):
            return at
        if text[at] != '"':
            return self._fail(f"{text[at]!r} stands where the next key begins", at, len(text))
        at += 1
        end = _past_plain(text, at).end()
        if end < len(text) and text[end] == '"':
            self._keys[-1] = text[at:end]
            self._step = PartialJSON._on_colon
            return end + 1
        self._in_key = self._hidden = True
        self._parts = [text[at:end]]
        self._step = PartialJSON._on_string
        return end

    def _on_colon(self, text: str, at: int) -> int:
        at = _past_space(text, at).end()
        if at == len(text):
            return at
        if text[at] != ":":
            return self._fail(f"{text[at]!r} in place of a colon", at, len(text))
        self._step = PartialJSON._on_value
        return at + 1

    def _on_after(self, text: str, at: int) -> int:
        at = _past_space(text, at).end()
        if at == len(text):
            return at
        in_list = type(self._stack[-1]) is list
        if text[at] == ",":
            self._keys[-1] = cast("int", self._keys[-1]) + 1 if in_list else None
            self._step = PartialJSON._on_value if in_list else PartialJSON._on_key
            return at + 1
        end = "]" if in_list else "}"
        if text[at] == end:
            return self._close(at + 1)
        return self._fail(f"{text[at]!r} where ',' or {end!r} should stand", at, len(text))

    def _on_end(self, text: str, at: int) -> int:
        if self._lenient:
            return len(text)
        at = _past_space(text, at).end()
        if at < len(text):
            return self._fail(f"{text[at]!r} after the end of the JSON", at, len(text))
        return at

    def _on_number(self, text: str, at: int) -> int:
        end = _past_number(text, at).end()
        self._parts.append(text[at:end])
        if end < len(text):
            return end if self._end_number(end) else len(text)
        return end

    def _end_number(self, end: int) -> bool:
        token = "".join(self._parts)
        self._parts = []
        try:
            number = msgspec.json.decode(token)
        except msgspec.DecodeError as error:
            self._fail(f"not a number Python can hold: {token[:40]} ({error})", end, end)
            return False
        self._put(number)
        self._ended(end)
        return True

    def _on_literal(self, text: str, at: int) -> int:
        word, value = _LITERALS[text[at]]
        seen = text[at : at + len(word)]
        if seen == word:
            self._put(value)
            return self._ended(at + len(word))
        if at + len(seen) == len(text) and word.startswith(seen):
            return self._hold(text, at)
        return self._fail(f"{seen!r} where {word!r} should stand", at, len(text))

    def _on_string(self, text: str, at: int) -> int:
        pieces: list[str] = []
        while True:
            end = _past_plain(text, at).end()
            if end > at:
                pieces.append(text[at:end])
            if end == len(text) or text[end] == '"':
                break
            at = self._read_escape(text, end, pieces)
        if pieces:
            self._grow("".join(pieces))
        if end < len(text) and self._failure is None:
            return self._close_string(end + 1)
        return end

    def _read_escape(self, text: str, at: int, pieces: list[str]) -> int:
        if text[at] != "\\":
            # a raw control character, as models write them, or half of a surrogate pair
            pieces.append(text[at] if text[at] < " " else REPLACEMENT)
            return at + 1
        if is_half_escape(text, at):
            return self._hold(text, at)
        found = ESCAPE.match(text, at)
        if found is None:
            return self._fail(f"{text[at : at + 6]!r} is not an escape", at, len(text))
        pieces.append(unescaped(found))
        return found.end()

    def _hold(self, text: str, at: int) -> int:
        self._held = text[at:]
        return len(text)

    def _open_string(self, text: str, at: int) -> int:
        end = _past_plain(text, at).end()
        if end < len(text) and text[end] == '"':
            self._put(text[at:end])
            return self._ended(end + 1)
        shape = self._next_shape() if self._shape is not None else None
        self._hidden = shape is not None and shape.whole
        if self._hidden:
            self._parts = [text[at:end]]
        else:
            self._put(text[at:end])
        self._step = PartialJSON._on_string
        return end

    def _grow(self, piece: str) -> None:
        """Lengthen the open string, or what is kept of it while it is not shown."""
        if self._hidden:
            self._parts.append(piece)
            return
        self._lengthen(piece)

    def _close_string(self, at: int) -> int:
        if self._in_key:
            self._in_key = self._hidden = False
            self._keys[-1] = "".join(self._parts)
            self._parts = []
            self._step = PartialJSON._on_colon
            return at
        if self._hidden:
            self._hidden = False
            self._put("".join(self._parts))
            self._parts = []
        return self._ended(at)

    def _open(self, text: str, at: int) -> int:
        if len(self._stack) > self._max_depth:
            return self._fail(f"nested more than {self._max_depth} deep", at, len(text))
        if text[at] == "{":
            self._enter({}, None)
            self._step = PartialJSON._on_first_key
        else:
            self._enter([], 0)
            self._step = PartialJSON._on_first_item
        return at + 1

    def _close(self, at: int) -> int:
        self._leave()
        return self._ended(at)

    def _ended(self, at: int) -> int:
        """A value ended at `at`."""
        if len(self._stack) > 1:
            self._step = PartialJSON._on_after
        else:
            self.complete = True
            self.end = self._base + at
            self._step = PartialJSON._on_end
        return at


_Step: TypeAlias = Callable[[PartialJSON, str, int], int]


__all__ = ["MAX_DEPTH", "NOTHING", "Nothing", "PartialJSON", "Shape"]

"""One tool call while it is being told: what has come of it, and whether more text can be more of its arguments."""

from __future__ import annotations

import re

from ...core.pieces import ToolCallPiece

PLACE_HOLDER = "{}"
"""Arguments that some servers begin a call with, before the real ones; others mean that there are none."""

_MARKS = re.compile(r'[\[\]{}"\\]')
_BEFORE_A_VALUE = (":", ",", "[")


class Brackets:
    """How far JSON text that comes in pieces has come; each character is looked at once."""

    __slots__ = ("_begun", "_depth", "_in_string", "_last", "_skip")

    def __init__(self) -> None:
        self._begun = False
        self._depth = 0
        self._in_string = False
        self._last = ""
        self._skip = 0

    def read(self, text: str) -> None:
        """Go on with `text`."""
        skip = self._skip
        for found in _MARKS.finditer(text):
            if found.start() < skip:
                continue
            mark = found.group()
            if mark == '"':
                self._in_string = not self._in_string
            elif self._in_string:
                skip = found.start() + 2 if mark == "\\" else skip
            elif mark in "{[":
                self._begun, self._depth = True, self._depth + 1
            elif mark in "}]":
                self._depth -= 1
        self._skip = max(skip - len(text), 0)
        self._last = text.rstrip()[-1:] or self._last

    @property
    def closed(self) -> bool:
        """Whether an object or list began, and all that began has ended."""
        return self._begun and self._depth <= 0 and not self._in_string

    @property
    def takes_a_value(self) -> bool:
        """Whether an object may come next."""
        return not self._begun or self._in_string or (self._depth > 0 and self._last in _BEFORE_A_VALUE)


class OpenCall:
    """One call so far.

    `ordinal` counts the calls of the answer once they are named, `None` before. `held` is a `PLACE_HOLDER` that is not
    yet taken for all arguments. `hint_id` and `hint_name` came after the arguments were whole: if arguments come again,
    they are those of another call with this id and name. `named_in` and `told_in` are frames: of the last piece of the
    name, and of the last time that the call was told in full; `pieced` says that arguments came in pieces.
    """

    __slots__ = (
        "_brackets",
        "_read",
        "arguments",
        "closed",
        "custom",
        "frame",
        "held",
        "hint_id",
        "hint_name",
        "id",
        "index",
        "item_id",
        "name",
        "named_in",
        "ordinal",
        "pieced",
        "signature",
        "told_in",
    )

    def __init__(self, piece: ToolCallPiece, frame: int) -> None:
        self.index = piece.index
        self.frame = frame
        self.ordinal: int | None = None
        self.id: str | None = None
        self.name = ""
        self.named_in = self.told_in = -1
        self.arguments: list[str] = []
        self.held = ""
        self.hint_id: str | None = None
        self.hint_name: str | None = None
        self.pieced = False
        self.closed = piece.whole
        self.custom = piece.custom
        self.signature = piece.signature
        self.item_id = piece.item_id
        self._brackets = Brackets()
        self._read = 0

    def text(self) -> str:
        """All arguments so far."""
        return self.held or "".join(self.arguments)

    def _so_far(self) -> Brackets:
        unread = self.arguments[self._read :]
        if unread:
            self._read = len(self.arguments)
            self._brackets.read("".join(unread))
        return self._brackets

    def is_whole(self) -> bool:
        """Whether the arguments are a whole object or list, a place holder included."""
        return bool(self.held) or self._so_far().closed

    def begins_anew(self, more: str | None) -> bool:
        """Whether `more` cannot be more of these arguments: they are whole, or an object may not come here."""
        start = (more or "").lstrip()[:1]
        if not start or self.custom:
            return False
        if self.held:
            return start in "{["
        if not self.arguments:
            return False
        if start == "{":
            return not self._so_far().takes_a_value
        return start in ',:"[' and self._so_far().closed

    def says(self, piece: ToolCallPiece) -> bool:
        """Whether a whole piece says what this call says."""
        return self.name == piece.name and self.text() == (piece.arguments or "")

    def goes_on_with(self, piece: ToolCallPiece) -> bool:
        """Whether a piece that repeats the name under another id plainly goes on with this call all the same.

        Its arguments are more of those that came, or none came yet for this index.
        """
        if piece.name != self.name or self.held or (self.custom and self.arguments):
            return False
        if not self.arguments:
            return piece.index is not None
        return bool(piece.arguments) and not self.begins_anew(piece.arguments)

"""Which tool call a piece belongs to: pieces in, the answer's calls out, as log entries and deltas.

What servers send
    A call has an id, a name and arguments; a stream cuts it into pieces, and says by an index (of the call, of its
    block, of its item) which pieces belong together. That is the theory. In practice any of these may be missing, come
    late, come empty, come again or come in fragments, and in every combination. Each case below was decided once by
    what a sensible server can have meant; `tests/wire/test_tool_calls.py` goes through the combinations.

The law
    1. A piece that is `whole` is a call of its own. A piece with `in_full` tells a call once more that an earlier frame
       may have told: it is that call by its id, else by its index or its place among the calls if name and arguments
       are the same; two of them in one frame are two calls.
    2. Otherwise the piece is of the call with its id; else of the call under its index; else, if it has neither, of the
       call at its place in the list, among those that the last frame to begin calls without an index began; else of the
       call last open.
    3. It begins another call all the same
       a. if it has a name, and the call has an id, and its own id is another (some servers number all calls 0), unless
          it repeats the name and plainly goes on with arguments that are not whole;
       b. if it has a name, and in the same frame the call was named already: elements of one list are calls;
       c. if it has a name that is neither the call's, nor the rest of it (rule 5);
       d. if the call's arguments are whole, and it brings more of them with a name or an id of its own;
       e. if nothing is open that it could go on with.
    4. A new id alone does not make a call: some servers send another one with every piece, or the first one late.
    5. The name counts when it comes. Until then the call is held back; a call that is never named, though it has
       arguments, is an error, unless the answer was cut short there. A name may be repeated with every piece, and come
       in fragments while no arguments have come.
    6. Arguments that begin with `{}` and then begin anew had a place holder there. Any other arguments that begin anew,
       with nothing to tell that this is another call, are an error: calls are never glued together.
    7. A missing id is made up: the same for the same request, another in every turn. An id that two calls have counts
       for the first. Arguments that are not JSON stay as they are.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from ...core.exceptions import StreamProtocolError
from ...core.pieces import ONLY_CALL, BlockKey, ToolCallPiece
from ...core.response import ToolCallDelta
from ...core.transcript import Transcript

_NO_IDS = ("", "null")
"""What stands for a missing id: LM Studio and older gateways send the first, Mistral's the second."""

_TOKENS = re.compile(r'[\[\]{}"\\]')
_PLACE_HOLDER = "{}"


class _Brackets:
    """Whether JSON text that comes in pieces is a whole object or list; each character is looked at once."""

    __slots__ = ("begun", "depth", "in_string", "skip")

    def __init__(self) -> None:
        self.begun = False
        self.depth = 0
        self.in_string = False
        self.skip = 0

    def read(self, text: str) -> None:
        """Go on with `text`."""
        skip = self.skip
        for found in _TOKENS.finditer(text):
            if found.start() < skip:
                continue
            letter = found.group()
            if letter == '"':
                self.in_string = not self.in_string
            elif self.in_string:
                skip = found.start() + 2 if letter == "\\" else skip
            elif letter in "{[":
                self.begun, self.depth = True, self.depth + 1
            elif letter in "}]":
                self.depth -= 1
        self.skip = max(skip - len(text), 0)

    @property
    def closed(self) -> bool:
        """Whether all that began has ended."""
        return self.begun and self.depth <= 0 and not self.in_string


class Call:
    """One call so far. `ordinal` counts the calls of the answer once they are named; `None` is before that."""

    __slots__ = (
        "_brackets",
        "_read",
        "arguments",
        "closed",
        "custom",
        "frame",
        "held",
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
        self.named_in = -1
        self.told_in = -1
        self.arguments: list[str] = []
        self.held = ""
        self.pieced = False
        self.closed = piece.whole
        self.custom = piece.custom
        self.signature = piece.signature
        self.item_id = piece.item_id
        self._brackets = _Brackets()
        self._read = 0

    def text(self) -> str:
        """All arguments so far."""
        return "".join(self.arguments)

    def is_whole(self) -> bool:
        """Whether the arguments are a whole object or list, a place holder included."""
        if self.held:
            return True
        unread = self.arguments[self._read :]
        if unread:
            self._read = len(self.arguments)
            self._brackets.read("".join(unread))
        return self._brackets.closed


class ToolCalls:
    """The calls of one answer.

    `salt` makes the ids of calls that came without one; `names` are the caller's for tools that have others on the
    wire. With `is_answer` a call is the answer itself: all arguments are those of one call unless they say otherwise.
    """

    def __init__(
        self, transcript: Transcript, salt: Callable[[], str], names: Mapping[str, str], *, is_answer: bool
    ) -> None:
        self._log = transcript
        self._salt = salt
        self._names = names
        self._is_answer = is_answer
        self._calls: list[Call] = []
        self._by_index: dict[BlockKey, Call] = {}
        self._by_id: dict[str, Call] = {}
        self._group: dict[int | None, Call] = {}
        self._last: Call | None = None
        self._opaque: dict[BlockKey, str | None] = {}

    def stand_aside(self, block: BlockKey, *, kept: bool) -> None:
        """The block is not a call but something of the provider's own: pieces of arguments for it, those that came too,
        are its own. They are logged if it is `kept`."""
        self._opaque[block] = str(block) if kept else None  # 0, 0.0 and false are one key, and not one text
        call = self._by_index.pop(block, None)
        if call is not None and call.ordinal is None:
            self._calls.remove(call)

    def take(self, piece: ToolCallPiece, frame: int) -> ToolCallDelta | None:
        """What the piece of this frame adds to its call; `None` if nothing is to be handed out.

        Raises:
            StreamProtocolError: which call it belongs to cannot be told.
        """
        _clean(piece)
        if piece.item_id in self._by_index and piece.index not in self._by_index:
            piece.index = piece.item_id
        if piece.index in self._opaque and not piece.name:
            owner = self._opaque[piece.index]
            if piece.arguments and owner is not None:
                self._log.entries.append(ToolCallPiece(-1, owner, arguments=piece.arguments))
            return None
        if piece.index == ONLY_CALL and len(self._calls) > (ONLY_CALL in self._by_index):
            return None
        call = self._known(piece, frame)
        if call is None:
            if not (piece.name or piece.id or piece.arguments or piece.in_full):
                return None
            call = self._open(piece, frame)
        self._last = call
        if piece.in_full is not None:
            call.told_in = frame
        return self._say(call, piece, frame)

    def _known(self, piece: ToolCallPiece, frame: int) -> Call | None:
        """The call that the piece goes on with, `None` if it begins another (laws 1 to 3)."""
        if piece.in_full is not None:
            return self._told_before(piece, frame)
        if piece.whole:
            return None
        by_id = self._by_id.get(piece.id) if piece.id else None
        if by_id is not None:
            return None if self._shares_an_id(piece, by_id, frame) else by_id
        known = self._by_index.get(piece.index) if piece.index is not None else self._at_place(piece)
        if known is None or known.closed or self._is_another(piece, known, frame):
            return None
        return known

    def _at_place(self, piece: ToolCallPiece) -> Call | None:
        in_list = piece.place is not None and len(self._group) > 1 and not (piece.name or piece.id)
        return self._group.get(piece.place) if in_list else self._last

    def _is_another(self, piece: ToolCallPiece, known: Call, frame: int) -> bool:
        """Whether a piece that the index or place leads to `known` begins another call (law 3)."""
        if self._is_answer and not piece.id:
            return False
        if piece.name and known.name:
            if piece.id and known.id:
                return not _goes_on(piece, known)
            return self._is_named_anew(piece, known, frame)
        return bool(piece.id and piece.arguments and known.id and known.is_whole())

    def _is_named_anew(self, piece: ToolCallPiece, known: Call, frame: int) -> bool:
        if known.named_in == frame:
            return True
        if piece.name == known.name or _rest_of_name(piece, known) is not None:
            return bool(piece.arguments) and known.is_whole()
        return True

    def _shares_an_id(self, piece: ToolCallPiece, known: Call, frame: int) -> bool:
        """Whether another call has the same id: some servers give all calls one."""
        if not (piece.name and known.name) or self._is_answer:
            return False
        if piece.name != known.name:
            return known.closed or _rest_of_name(piece, known) is None
        if not piece.arguments or not (known.closed or known.is_whole()):
            return False
        return piece.arguments != (known.held or known.text())

    def _told_before(self, piece: ToolCallPiece, frame: int) -> Call | None:
        """The call of an earlier frame that the piece tells once more (law 1)."""
        found = self._by_id.get(piece.id) if piece.id else None
        if found is None:
            found = self._told_by_place(piece)
        return None if found is None or found.told_in == frame else found

    def _told_by_place(self, piece: ToolCallPiece) -> Call | None:
        if piece.index is not None:
            found = self._by_index.get(piece.index)
        else:
            place = piece.place if piece.place is not None else len(self._calls)
            found = self._calls[place] if place < len(self._calls) else None
        if found is None or (piece.name and found.name and piece.name != found.name):
            return None
        if piece.id and found.id and not (piece.in_full or "").startswith(found.held or found.text()):
            return None
        return found

    def _open(self, piece: ToolCallPiece, frame: int) -> Call:
        call = Call(piece, frame)
        self._calls.append(call)
        if piece.index is not None:
            self._by_index[piece.index] = call
            self._opaque.pop(piece.index, None)
        else:
            if any(other.frame != frame for other in self._group.values()):
                self._group.clear()
            self._group[piece.place] = call
        return call

    def _say(self, call: Call, piece: ToolCallPiece, frame: int) -> ToolCallDelta | None:
        """Take in what the piece says; what of it is new. Nothing, while the call has no name."""
        more = self._more(call, piece)
        late = self._identify(call, piece)
        name = self._named(call, piece, frame)
        if more:
            call.arguments.append(more)
        call.closed = call.closed or bool(piece.in_full and call.name and not piece.or_piece)
        opens = call.ordinal is None
        if not call.name and not self._is_answer:
            return None
        if opens:
            return self._announce(call)
        if not (more or name or late or piece.signature or piece.item_id):
            return None
        full_name = self._names.get(call.name, call.name) if name else None
        entry = ToolCallPiece(None, late, full_name, more, signature=piece.signature, item_id=piece.item_id)
        self._log_piece(call, entry)
        return ToolCallDelta(call.ordinal or 0, late, name, more) if more or name or late else None

    def _announce(self, call: Call) -> ToolCallDelta:
        """The call's first delta, with all that came before its name."""
        call.ordinal = self._log.calls
        self._log.calls += 1
        identity = call.id
        if identity is None:
            identity = f"call_{self._salt()}{call.ordinal}"
        elif self._by_id.get(identity) is not call:
            identity = f"{identity}_{call.ordinal}"
        name, arguments = self._names.get(call.name, call.name), call.text()
        entry = ToolCallPiece(None, identity, name, arguments, signature=call.signature, item_id=call.item_id)
        self._log_piece(call, entry)
        return ToolCallDelta(call.ordinal, identity, name, arguments)

    def _log_piece(self, call: Call, of: ToolCallPiece) -> None:
        """Log a piece under the call's ordinal."""
        if not self._is_answer:
            of.index, of.custom = call.ordinal, call.custom
            self._log.entries.append(of)

    def _more(self, call: Call, piece: ToolCallPiece) -> str:
        """The arguments that the piece adds (law 6).

        Raises:
            StreamProtocolError: they begin anew, and nothing tells of which call they are.
        """
        if piece.in_full is not None:
            return self._not_yet_said(call, piece)
        more = piece.arguments or ""
        if not more:
            return ""
        call.pieced = True
        begins = more.lstrip()[:1] == "{"
        if call.held:
            call.held = ""
            return more if begins else _PLACE_HOLDER + more
        if more == _PLACE_HOLDER and not call.arguments and not call.closed:
            call.held = more
            return ""
        if begins and call.arguments and not call.custom and call.is_whole():
            raise StreamProtocolError(
                f"the arguments of tool call {call.name!r} end and begin again, with nothing to tell whether this is "
                "another call",
                payload=more[:200],
            )
        return more

    def _not_yet_said(self, call: Call, piece: ToolCallPiece) -> str:
        full, said = piece.in_full or "", call.held or call.text()
        if full.startswith(said):
            if call.held and full != said:
                call.held = ""
                return full
            return full[len(said) :]
        return full if piece.or_piece and not call.pieced else ""

    def _identify(self, call: Call, piece: ToolCallPiece) -> str | None:
        """Give the call its id; the id, if one that was made up was handed out before."""
        if piece.id is None or call.id is not None:
            return None
        call.id = piece.id
        self._by_id.setdefault(piece.id, call)
        return piece.id if call.ordinal is not None else None

    def _named(self, call: Call, piece: ToolCallPiece, frame: int) -> str | None:
        """Give the call its name, or the rest of it; what of it is new."""
        call.signature = call.signature or piece.signature
        call.item_id = call.item_id or piece.item_id
        if not piece.name or piece.name == call.name:
            return None
        rest = _rest_of_name(piece, call) if call.name else piece.name
        if rest is None:
            return None
        call.name += rest
        call.named_in = frame
        return rest

    def finish(self, *, finished: bool) -> list[ToolCallDelta]:
        """What the end of the answer adds: arguments held back, and an empty object for calls that have none.

        Only an answer that ends with its calls (`finished`) has them whole; one that was cut off may not.
        """
        deltas = []
        for call in self._calls:
            empty = not (call.arguments or call.held or call.custom) and finished and not self._is_answer
            more = call.held or (_PLACE_HOLDER if empty else "")
            if more and call.ordinal is not None:
                call.held = ""
                call.arguments.append(more)
                self._log_piece(call, ToolCallPiece(arguments=more))
                deltas.append(ToolCallDelta(call.ordinal, arguments=more))
        return deltas

    @property
    def nameless(self) -> str | None:
        """The arguments of a call that was never named; `None` if there is no such call."""
        found = (call.held or call.text() for call in self._calls if call.ordinal is None)
        return next((text for text in found if text), None)

    @property
    def are_whole(self) -> bool:
        """Whether no call has arguments that break off."""
        return all(call.is_whole() or not call.arguments or call.custom for call in self._calls)


def _clean(piece: ToolCallPiece) -> None:
    """Take what stands for nothing for nothing, and one spelling of an index for the other."""
    if piece.id in _NO_IDS:
        piece.id = None
    index = piece.index
    if isinstance(index, str) and index.isascii() and index.isdigit() and len(index) < 10:
        piece.index = int(index)


def _goes_on(piece: ToolCallPiece, known: Call) -> bool:
    """Whether a piece that repeats the name under another id plainly goes on with the arguments."""
    more = piece.arguments or ""
    begun = bool(known.arguments) and not known.is_whole()
    return piece.name == known.name and begun and bool(more) and more.lstrip()[:1] != "{"


def _rest_of_name(piece: ToolCallPiece, call: Call) -> str | None:
    """What a piece's name adds to the call's: a fragment, or the whole name so far; `None` if it is another name.

    Only a piece that an index or id leads to the call can be told, and only before arguments come.
    """
    name = piece.name or ""
    if call.arguments or call.held or call.closed or (piece.index is None and piece.id is None):
        return None
    return name.removeprefix(call.name)

"""Which tool call a piece belongs to: pieces in, the answer's calls out, as log entries and deltas.

What servers send
    A call has an id, a name and arguments; a stream cuts it into pieces, and says by an index (of the call, of its
    block, of its item) which pieces belong together. That is the theory. In practice any of these may be missing, come
    late, come empty, come again or come in fragments, and in every combination. Each case below was decided once by
    what a sensible server can have meant; `tests/wire/test_tool_calls.py` goes through the combinations.

The law
    1. A piece that is `whole` is a call of its own, unless an earlier frame has the same call under the same id. A
       piece with `in_full` tells a call once more that an earlier frame may have told: it is that call by its id; else
       by its index, or its place in a list of all calls, if neither name nor arguments contradict; else, of an event
       without any of these, the call last open. Two of them in one frame are two calls; two calls that are the same,
       told by such events only, are one.
    2. Otherwise the piece is of the call with its id; else of the call under its index; else, if the list that it is in
       has several elements, of the call at its place in the list; else of the call last open, or if several were begun
       by one list, of the first of them that is not whole. An index that two elements of one list share does not
       count. An index that comes late, without a name, is that of the first open call that has none.
    3. It begins another call all the same
       a. if it has a name, and in the same frame the call was named already: elements of one list are calls; or if it
          has the id of a call with another index, which is whole or has no arguments yet;
       b. if it has a name and an id, and the call has another id (some servers number all calls 0), unless it repeats
          the name, and goes on with the arguments or an index says that the call has none yet;
       c. if it has another name, which is not the rest of the call's (rule 5);
       d. if its arguments begin anew, and a name or another id came with them, or since the call's were whole;
       e. if nothing is open that it could go on with.
    4. A new id alone does not make a call: some servers send another one with every piece, or the first one late.
    5. The name counts when it comes. Until then the call is held back; a call that is never named, though it has
       arguments, is an error, unless the answer was cut short there. A name may be repeated with every piece, grow from
       piece to piece, or come in fragments: if the tools are known and that makes the name of one; else if an index,
       or the lack of another id, says that this is the same call.
    6. Arguments that begin with `{}` and then begin anew had a place holder there. Any other arguments that begin anew,
       with nothing to tell that this is another call, are an error: calls are never glued together.
    7. A missing id is made up: the same for the same request, another in every turn. An id that two calls have counts
       for the first. Arguments that are not JSON stay as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

import msgspec

from ...core.exceptions import StreamProtocolError
from ...core.pieces import ONLY_CALL, BlockKey, Piece, ToolCallPiece
from ...core.response import ToolCallDelta
from ...core.transcript import Transcript
from .open_call import PLACE_HOLDER, OpenCall

_NO_IDS = ("", "null")
"""What stands for a missing id: LM Studio and older gateways send the first, Mistral's the second."""


class ToolCalls:
    """The calls of one answer.

    `salt` makes the ids of calls that came without one; `names` are the caller's for tools that have others on the
    wire, `tools` the names of all, as the caller has them; none if they are not known. With `is_answer` a call is the
    answer itself: all arguments are those of one call unless they say otherwise.
    """

    def __init__(
        self,
        transcript: Transcript,
        salt: Callable[[], str],
        names: Mapping[str, str],
        tools: Collection[str],
        *,
        is_answer: bool,
    ) -> None:
        self._log = transcript
        self._salt = salt
        self._names = names
        renamed = {callers: wire for wire, callers in names.items()}
        self._tools = frozenset(renamed.get(name, name) for name in tools)
        self._is_answer = is_answer
        self._calls: list[OpenCall] = []
        self._by_index: dict[BlockKey, OpenCall] = {}
        self._by_id: dict[str, OpenCall] = {}
        self._group: dict[int | None, OpenCall] = {}
        self._last: OpenCall | None = None
        self._opaque: dict[BlockKey, str | None] = {}
        self._frame = -1
        self._elements = self._told = 0
        self._is_unnumbered = False

    def stand_aside(self, block: BlockKey, *, kept: bool) -> None:
        """The block is not a call but something of the provider's own: pieces of arguments for it, those that came too,
        are its own. They are logged if it is `kept`."""
        self._opaque[block] = str(block) if kept else None  # 0, 0.0 and false are one key, and not one text
        call = self._by_index.pop(block, None)
        if call is not None and call.ordinal is None:
            self._calls.remove(call)

    def take(self, piece: ToolCallPiece, frame: int, pieces: list[Piece]) -> ToolCallDelta | None:
        """What the piece, one of a frame's `pieces`, adds to its call; `None` if nothing is to be handed out.

        Raises:
            StreamProtocolError: which call it belongs to cannot be told.
        """
        if frame != self._frame:
            self._frame = frame
            self._look_at_list(pieces)
        self._clean(piece)
        if self._is_not_a_call(piece):
            return None
        call = self._known(piece)
        if call is None:
            if not (piece.name or piece.id or piece.arguments or piece.in_full):
                return None
            call = self._open(piece)
        elif self._repeats_or_hints(call, piece):
            return None
        self._last = call
        if piece.index is not None and piece.index not in self._by_index:
            self._by_index[piece.index] = call
            call.index = piece.index if call.index is None else call.index
        if piece.in_full is not None:
            call.told_in = frame
            self._told += 1
        return self._say(call, piece)

    def _look_at_list(self, pieces: list[Piece]) -> None:
        """How many elements the frame's list has, and whether they have indices of their own."""
        listed = [piece for piece in pieces if isinstance(piece, ToolCallPiece) and piece.place is not None]
        told = [piece for piece in listed if piece.in_full is not None]
        more = [piece for piece in listed if piece.in_full is None]
        self._is_unnumbered = self._is_unnumbered or _share_an_index(more) or _share_an_index(told)
        self._elements, self._told = len({piece.place for piece in more}), 0

    def _clean(self, piece: ToolCallPiece) -> None:
        """Take what stands for nothing for nothing, and one spelling of an index for the other."""
        if piece.id in _NO_IDS:
            piece.id = None
        index = piece.index
        if self._is_unnumbered and piece.place is not None:
            piece.index = None
        elif isinstance(index, str) and index.isascii() and index.isdigit() and len(index) < 10:
            piece.index = int(index)
        if piece.item_id in self._by_index and piece.index not in self._by_index:
            piece.index = piece.item_id

    def _is_not_a_call(self, piece: ToolCallPiece) -> bool:
        """Whether the piece is of a part of the provider's own, or tells a call for the second time in an old form."""
        if piece.index in self._opaque and not piece.name:
            owner = self._opaque[piece.index]
            if piece.arguments and owner is not None:
                self._log.entries.append(ToolCallPiece(-1, owner, arguments=piece.arguments))
            return True
        return piece.index == ONLY_CALL and len(self._calls) > (ONLY_CALL in self._by_index)

    def _known(self, piece: ToolCallPiece) -> OpenCall | None:
        """The call that the piece goes on with, `None` if it begins another (rules 1 to 3)."""
        if piece.in_full is not None:
            return self._told_before(piece)
        by_id = self._by_id.get(piece.id) if piece.id else None
        if piece.whole:
            again = by_id is not None and by_id.frame != self._frame and by_id.says(piece)
            return by_id if again else None
        if by_id is not None:
            return None if self._shares_an_id(piece, by_id) else by_id
        known = self._under_index(piece) if piece.index is not None else self._at_place(piece)
        if known is None or known.closed or self._is_another(piece, known):
            return None
        return known

    def _under_index(self, piece: ToolCallPiece) -> OpenCall | None:
        """The call under the piece's index; an index that comes late is of the first open call that has none."""
        known = self._by_index.get(piece.index)
        if known is not None or piece.name or piece.id:
            return known
        late = (call for call in self._calls if call.index is None and not (call.closed or call.is_whole()))
        return next((call for call in late if not call.begins_anew(piece.arguments)), None)

    def _at_place(self, piece: ToolCallPiece) -> OpenCall | None:
        """The call that a piece without an index can be of (rule 2)."""
        if piece.place is None or not self._group:
            return self._last
        if self._elements > 1:
            return self._group.get(piece.place)
        if piece.name or piece.id or len(self._group) == 1:
            return self._last
        return next((call for call in self._group.values() if not call.is_whole()), self._last)

    def _is_another(self, piece: ToolCallPiece, known: OpenCall) -> bool:
        """Whether a piece that the index or place leads to `known` begins another call (rule 3)."""
        if self._is_answer and not piece.id:
            return False
        if piece.name and known.name:
            if known.named_in == self._frame:
                return True
            if piece.id and known.id:
                return not (known.goes_on_with(piece) or self._makes_a_tool(piece, known))
            return self._is_named_anew(piece, known)
        if not known.begins_anew(piece.arguments):
            return False
        if known.held:
            return bool(known.hint_id)
        if known.hint_id or known.hint_name:
            piece.id, piece.name = piece.id or known.hint_id, piece.name or known.hint_name
            return True
        return bool(piece.id and known.id)

    def _is_named_anew(self, piece: ToolCallPiece, known: OpenCall) -> bool:
        if piece.name != known.name and self._rest_of_name(piece, known) is None:
            return True
        if known.custom and known.arguments and piece.index is None:
            self._cannot_be_told(known, piece)
        if known.held and known.hint_id:
            piece.id = piece.id or known.hint_id
            return True
        if known.held and known.id and not piece.id:
            return False  # a server that gives ids would give another call one: what is held is a place holder
        anew = known.begins_anew(piece.arguments)
        holds_a_place = known.held and not (known.id or piece.id) and piece.name == known.name
        if anew and holds_a_place and (piece.arguments or "")[1:].strip() not in ("}", "]"):
            self._cannot_be_told(known, piece)
        return anew

    def _shares_an_id(self, piece: ToolCallPiece, known: OpenCall) -> bool:
        """Whether another call has the same id: some servers give all calls one."""
        if not (piece.name and known.name) or self._is_answer:
            return False
        if known.named_in == self._frame:
            return True
        if piece.name != known.name:
            return self._rest_of_name(piece, known) is None
        if piece.index not in (None, known.index) and known.index is not None:
            return not known.arguments or known.is_whole()
        again = known.begins_anew(piece.arguments) and not known.held
        return again and piece.arguments != known.text()

    def _repeats_or_hints(self, known: OpenCall, piece: ToolCallPiece) -> bool:
        """Whether a piece only says again what was said; what it says after the arguments may be of the next call."""
        if piece.in_full is not None or not (piece.id or piece.name) or not known.is_whole():
            return False
        if piece.whole:
            return True
        if piece.arguments:
            return bool(piece.id and piece.id == known.id and piece.arguments == known.text())
        if piece.id and known.id and piece.id != known.id:
            known.hint_id = piece.id
        if known.held or not known.name:
            return False
        known.hint_name = piece.name or known.hint_name
        return known.id is not None or piece.id is None

    def _told_before(self, piece: ToolCallPiece) -> OpenCall | None:
        """The call of an earlier frame that the piece tells once more (rule 1)."""
        found = self._by_id.get(piece.id) if piece.id else None
        if found is None or found.told_in == self._frame or not _is_told_by(piece, found):
            found = self._told_by_place(piece)
        return None if found is None or found.told_in == self._frame else found

    def _told_by_place(self, piece: ToolCallPiece) -> OpenCall | None:
        found = self._by_index.get(piece.index) if piece.index is not None else None
        if found is not None and _is_told_by(piece, found):
            return found
        if piece.place is not None:
            listed = self._calls[self._told : self._told + 1]
            return next((call for call in listed if _is_told_by(piece, call)), None)
        return self._told_without_keys(piece)

    def _told_without_keys(self, piece: ToolCallPiece) -> OpenCall | None:
        """The call that an event without any key tells: the one last open, or else one that it repeats."""
        full = piece.in_full or ""
        alike = [call for call in self._calls if _is_told_by(piece, call) and full.startswith(call.text())]
        if piece.id:
            alike = [call for call in alike if not call.id]
        if piece.index is not None:
            unindexed = (call for call in alike if call.index is None)
            return next((call for call in unindexed if not call.closed or call.text() == full), None)
        still_open = [call for call in alike if not call.closed]
        if self._last in still_open:
            return self._last
        said = [call for call in reversed(alike) if call.text() == full]
        return next(iter((*said, *still_open)), None)

    def _open(self, piece: ToolCallPiece) -> OpenCall:
        call = OpenCall(piece, self._frame)
        self._calls.append(call)
        if piece.index is not None:
            self._by_index[piece.index] = call
            self._opaque.pop(piece.index, None)
        else:
            if not piece.place and any(other.frame != self._frame for other in self._group.values()):
                self._group.clear()
            self._group[piece.place] = call
        return call

    def _say(self, call: OpenCall, piece: ToolCallPiece) -> ToolCallDelta | None:
        """Take in what the piece says; what of it is new. Nothing, while the call has no name."""
        more = self._more(call, piece)
        late = self._identify(call, piece)
        name = self._named(call, piece)
        if more:
            call.arguments.append(more)
        call.closed = call.closed or bool(piece.in_full and call.name and not piece.or_piece)
        if not call.name and not self._is_answer:
            return None
        if call.ordinal is None:
            return self._announce(call)
        if not (more or name or late or piece.signature or piece.item_id):
            return None
        full_name = self._names.get(call.name, call.name) if name else None
        entry = ToolCallPiece(None, late, full_name, more, signature=piece.signature, item_id=piece.item_id)
        self._log_piece(call, entry)
        return ToolCallDelta(call.ordinal, late, name, more) if more or name or late else None

    def _announce(self, call: OpenCall) -> ToolCallDelta:
        """The call's first delta, with all that came before its name."""
        call.ordinal = self._log.calls
        self._log.calls += 1
        identity = call.id
        if identity is None:
            identity = f"call_{self._salt()}{call.ordinal}"
        elif self._by_id.get(identity) is not call:
            identity = f"{identity}_{call.ordinal}"
        name, arguments = self._names.get(call.name, call.name), "".join(call.arguments)
        entry = ToolCallPiece(None, identity, name, arguments, signature=call.signature, item_id=call.item_id)
        self._log_piece(call, entry)
        return ToolCallDelta(call.ordinal, identity, name, arguments)

    def _log_piece(self, call: OpenCall, entry: ToolCallPiece) -> None:
        """Log a piece under the call's ordinal."""
        if not self._is_answer:
            entry.index, entry.custom = call.ordinal, call.custom
            self._log.entries.append(entry)

    def _more(self, call: OpenCall, piece: ToolCallPiece) -> str:
        """The arguments that the piece adds (rule 6).

        Raises:
            StreamProtocolError: they begin anew, and nothing tells of which call they are.
        """
        if piece.in_full is not None:
            return _not_yet_said(call, piece)
        more = piece.arguments or ""
        if not more:
            return ""
        call.pieced = True
        if call.held:
            held, call.held = call.held, ""
            return more if more.lstrip().startswith("{") else held + more
        if more == PLACE_HOLDER and not (call.arguments or call.closed or call.custom):
            call.held = more
            return ""
        if call.begins_anew(more) or (not call.arguments and self._is_of_another(more, call)):
            self._cannot_be_told(call, piece)
        return more

    def _is_of_another(self, more: str, call: OpenCall) -> bool:
        """Whether arguments with which none begin are more of a call whose own are not whole."""
        if call.custom or more.lstrip()[:1] not in tuple(",:}]"):
            return False
        return any(other is not call and other.arguments and not other.is_whole() for other in self._calls)

    def _cannot_be_told(self, call: OpenCall, piece: ToolCallPiece) -> None:
        if not piece.arguments:
            return
        raise StreamProtocolError(
            f"arguments of tool calls begin again at {call.name!r}, and nothing tells of which call they are",
            payload=piece.arguments[:200],
        )

    def _identify(self, call: OpenCall, piece: ToolCallPiece) -> str | None:
        """Give the call its id; the id, if one that was made up was handed out before."""
        if piece.id is None or call.id is not None:
            return None
        call.id = piece.id
        self._by_id.setdefault(piece.id, call)
        return piece.id if call.ordinal is not None else None

    def _named(self, call: OpenCall, piece: ToolCallPiece) -> str | None:
        """Give the call its name, or the rest of it; what of it is new."""
        call.signature = call.signature or piece.signature
        if piece.item_id and not call.item_id:
            call.item_id = piece.item_id
            self._by_index.setdefault(piece.item_id, call)
        if not piece.name or piece.name == call.name:
            return None
        rest = self._rest_of_name(piece, call) if call.name else piece.name
        if rest is None:
            return None
        call.name += rest
        call.named_in = self._frame
        return rest

    def _rest_of_name(self, piece: ToolCallPiece, call: OpenCall) -> str | None:
        """What a piece's name adds to the call's: a fragment, or the name so far; `None` if it is another name."""
        name = piece.name or ""
        if call.closed or (call.is_whole() and not call.held) or call.begins_anew(piece.arguments) > bool(call.held):
            return None
        grown = name.removeprefix(call.name)
        if self._tools:
            return grown if self._makes_a_tool(piece, call) else None
        is_same_call = piece.index is not None or bool(call.id) > bool(piece.id) or call.id == piece.id is not None
        return grown if is_same_call or self._elements > 1 else None

    def _makes_a_tool(self, piece: ToolCallPiece, call: OpenCall) -> bool:
        """Whether the names of both, which are not those of two tools, begin the name of one."""
        name = piece.name or ""
        grown = call.name + name.removeprefix(call.name)
        begins = any(tool.startswith(grown) for tool in self._tools)
        return begins and not (call.name in self._tools and name in self._tools)

    def finish(self, *, finished: bool) -> list[ToolCallDelta]:
        """What the end of the answer adds: arguments held back, and an empty object for calls that have none.

        Only an answer that ends with its calls (`finished`) has them whole; one that was cut off may not.
        """
        deltas = []
        for call in self._calls:
            empty = not (call.arguments or call.held or call.custom) and finished and not self._is_answer
            more = call.held or (PLACE_HOLDER if empty else "")
            if more and call.ordinal is not None:
                call.held = ""
                call.arguments.append(more)
                self._log_piece(call, ToolCallPiece(arguments=more))
                deltas.append(ToolCallDelta(call.ordinal, arguments=more))
        return deltas

    @property
    def nameless(self) -> str | None:
        """The arguments of a call that was never named; `None` if there is no such call."""
        found = (call.text() for call in self._calls if call.ordinal is None)
        return next((text for text in found if text), None)

    @property
    def are_whole(self) -> bool:
        """Whether no call has arguments that break off."""
        return all(call.custom or not call.arguments or _is_json(call.text()) for call in self._calls)


def _share_an_index(pieces: list[ToolCallPiece]) -> bool:
    numbers = [piece.index for piece in pieces if piece.index is not None]
    return len(numbers) > len(set(numbers))


def _is_told_by(piece: ToolCallPiece, call: OpenCall) -> bool:
    """Whether a piece that tells a call in full, and stands where this call was, can be this call."""
    if piece.name and call.name and piece.name != call.name:
        return False
    return not (piece.id and call.id) or (piece.in_full or "").startswith(call.text())


def _is_json(text: str) -> bool:
    try:
        msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True


def _not_yet_said(call: OpenCall, piece: ToolCallPiece) -> str:
    """What of arguments that are told in full was not said before."""
    full, said = piece.in_full or "", call.text()
    if full.startswith(said):
        if call.held and full != said:
            call.held = ""
            return full
        return full[len(said) :]
    return full if piece.or_piece and not call.pieced else ""

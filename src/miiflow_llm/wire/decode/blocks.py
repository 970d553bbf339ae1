"""Which block of the answer a piece is of: it names its block by an index, by an id or not at all.

The index of an id is known once something has said both. In a list of the whole answer an item is named by its place;
it is the block with its id, else the block of its kind at that place, else a new one.
"""

from __future__ import annotations

from ...core.pieces import BlockKey, Logprobs, Opaque, Reasoning, Refusal, Text, ToolCallPiece
from .retelling import Retelling


class Blocks:
    """The names of one answer's blocks. `retelling` knows which of them have said something.

    `in_list` says that the frame tells the list of the whole answer.
    """

    __slots__ = ("_alias", "_block", "_frame", "_listed", "_noted", "_retelling", "in_list")

    def __init__(self, retelling: Retelling) -> None:
        self._retelling = retelling
        self._frame = 0
        self._alias: dict[str, BlockKey] = {}
        self._block: BlockKey = None
        self._noted: set[tuple[type, BlockKey]] = set()
        self._listed: set[tuple[type, BlockKey]] = set()
        self.in_list = False

    def begin(self, frame: int) -> None:
        """Another frame begins: it has named no block yet."""
        self._frame = frame
        self._block = None
        self.in_list = False
        if self._listed:
            self._listed.clear()

    def locate(self, piece: Text | Reasoning | Refusal | Logprobs) -> None:
        """Give the piece the block that its frame named, or the index of the id that it names."""
        if piece.block is None:
            piece.block = self._block
        elif type(piece.block) is str:
            piece.block = self._alias.get(piece.block, piece.block)

    def locate_call(self, piece: ToolCallPiece) -> None:
        """Give a piece of a call the index of the id that it names, or learn which index its id has."""
        if type(piece.index) is str:
            piece.index = self._alias.get(piece.index, piece.index)
        elif piece.item_id is not None and piece.index is not None:
            self._alias[piece.item_id] = piece.index

    def find_listed(self, piece: Text | Reasoning) -> bool:
        """Find out which block an item of the list of the whole answer is; whether the item itself is to be logged."""
        kind = type(piece)
        identity, place = _identity(piece), piece.block
        names = [self._alias.get(identity, place) if identity is not None else place, identity, place]
        names = [name for name in names if (kind, name) not in self._listed]
        known = self._known(kind, names)
        piece.block = known if known is not None else next(iter(names), place)
        self.in_list = True
        self._listed.add((kind, piece.block))
        is_new = (kind, piece.block) not in self._noted and self.note(piece)
        self._block = piece.block
        return is_new

    def note(self, piece: Text | Reasoning) -> bool:
        """Learn what is said of a block as a whole, and the index of its id; whether that is to be logged."""
        identity = _identity(piece)
        known = self._known(type(piece), [piece.block, identity])
        piece.block = self._block = piece.block if known is None else known
        if identity is None and getattr(piece, "data", None) is None:
            return False
        self._noted.add((type(piece), piece.block))
        if identity is not None and not isinstance(piece.block, str):
            self._alias[identity] = piece.block
        return True

    def keep(self, piece: Opaque) -> bool:
        """Learn that a part without a unified form came; whether it had not come before."""
        if piece.again and not {(Opaque, piece.block), (Opaque, piece.id)}.isdisjoint(self._noted):
            return False
        self._noted.update({(Opaque, name) for name in (piece.block, piece.id) if name is not None})
        return True

    def _known(self, kind: type, names: list[BlockKey]) -> BlockKey:
        """The first of the names under which something of this kind was said before."""
        known = (name for name in names if name is not None and self._retelling.knows(kind, name, self._frame))
        return next(known, None)


def _identity(piece: Text | Reasoning) -> str | None:
    """The provider's id of the piece's block."""
    return piece.item_id if isinstance(piece, Text) else piece.id

"""What one frame can say, as small values: the decoder makes them, the fold joins them.

A piece knows nothing of the frames before it. Fields are `None` where the frame did not say.
"""

from __future__ import annotations

from typing import Any

import msgspec

BlockKey = int | float | str | None
"""The provider's name for a block: an index, or an id where it numbers none."""


ONLY_CALL = "function_call"
"""The index of the one call that OpenAI's format had before it had lists; servers that send both mean one call."""


class Text(msgspec.Struct, gc=False):
    """New text of the answer; with a `signature` it is a signed part of its own, even when empty.

    `item_id` and `phase` belong to the whole block. Here as for reasoning, a piece that names no `block` goes on with
    the one last open. `part` names a part of the block that has parts of its own.

    `in_full` is all the text of the part (or of the block) once more: it counts as far as it was not said before. With
    `or_piece` it is new text if it does not repeat what was said and no other piece came.
    """

    text: str | None = ""
    block: BlockKey = None
    signature: str | None = None
    item_id: str | None = None
    phase: str | None = None
    part: BlockKey = None
    in_full: str | None = None
    or_piece: bool = False


class Reasoning(msgspec.Struct, gc=False):
    """New reasoning; `signature`, `data` (encrypted content) and `id` belong to the whole block and overwrite.

    Parts of one block are paragraphs. `raw` says that these are the model's own words and not a summary of them.
    `in_full` and `or_piece` are as for `Text`.
    """

    text: str | None = ""
    block: BlockKey = None
    signature: str | None = None
    data: str | None = None
    id: str | None = None
    part: BlockKey = None
    in_full: str | None = None
    or_piece: bool = False
    raw: bool = False


class Refusal(msgspec.Struct, gc=False):
    """New words of a refusal; the other fields are as for `Text`."""

    text: str | None = ""
    block: BlockKey = None
    part: BlockKey = None
    in_full: str | None = None
    or_piece: bool = False


class ToolCallPiece(msgspec.Struct, gc=False):
    """A piece of a tool call; `whole` says that nothing more of this call will come.

    `place` is its position in the list that it came in. `in_full` are all arguments of the call once more: they count
    as far as they were not said before; `or_piece` is as for `Text`.
    """

    index: BlockKey = None
    id: str | None = None
    name: str | None = None
    arguments: str | None = None
    whole: bool = False
    custom: bool = False
    signature: str | None = None
    item_id: str | None = None
    in_full: str | None = None
    place: int | None = None
    or_piece: bool = False


class Merge(msgspec.Struct, frozen=True):
    """How pieces of one opaque part are told (`keys`: the same values) and joined (strings under `joined`)."""

    keys: tuple[str, ...]
    joined: tuple[str, ...]


class Opaque(msgspec.Struct):
    """A part with no unified form, kept as the provider's JSON; argument pieces for `block` become its key `fill`.

    Without a payload it is nothing. With `merge` it may be a piece of a part that began before. With `again` it counts
    only if no part came with its `id` or `block`.
    """

    payload: bytes | None
    block: BlockKey = None
    fill: str | None = None
    merge: Merge | None = None
    id: BlockKey = None
    again: bool = False


class Fill(msgspec.Struct, gc=False):
    """What the opaque part `block` has under `key`, as JSON text, where that comes after its beginning."""

    value: str | None
    block: BlockKey = None
    key: str | None = None


class Finish(msgspec.Struct, gc=False):
    """The provider's word for why the answer ended, and its `message` on it; `unified` is ours where the rule itself
    says it."""

    reason: str | None = None
    unified: str | None = None
    message: str | None = None


class Usage(msgspec.Struct):
    """Raw counters by the table's names, only those reported; NaN where something else than a number was."""

    counters: dict[str, int | float]


class Failure(msgspec.Struct):
    """The provider reports an error; `details` is what else it says of it, as JSON text."""

    message: Any = None
    code: Any = None
    type: Any = None
    status: Any = None
    request_id: Any = None
    retry_after: Any = None
    details: Any = None


class Meta(msgspec.Struct, gc=False):
    """Names of the answer; `starts` says that an answer begins here."""

    id: str | None = None
    model: str | None = None
    request_id: str | None = None
    starts: bool = False


class Logprobs(msgspec.Struct):
    """Log probabilities in the provider's own form; a list is spread.

    `in_full` are those of a whole part once more, which count if none of that part came before.
    """

    value: Any = None
    block: BlockKey = None
    part: BlockKey = None
    in_full: Any = None


class Citation(msgspec.Struct):
    """A citation or annotation in the provider's own form; a list is spread.

    `in_full` are citations once more: those that came before do not count again.
    """

    value: Any = None
    in_full: Any = None


class Progress(msgspec.Struct, gc=False):
    """The provider is at work on something that is not output: a search, say. It counts against silence.

    `block` is the block of a tool that it runs itself: pieces of arguments for it are nobody's.
    """

    what: Any = None
    block: BlockKey = None


Piece = (
    Text
    | Reasoning
    | Refusal
    | ToolCallPiece
    | Opaque
    | Fill
    | Finish
    | Usage
    | Failure
    | Meta
    | Logprobs
    | Citation
    | Progress
)

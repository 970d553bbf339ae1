"""What one frame can say, as small values: the decoder makes them, the fold joins them.

A piece knows nothing of the frames before it. Fields are `None` where the frame did not say.
"""

from __future__ import annotations

from typing import Any

import msgspec

BlockKey = int | float | str | None


class Text(msgspec.Struct, gc=False):
    """New text of the answer; with a `signature` it is a signed part of its own, even when empty.

    `item_id` and `phase` belong to the whole block. Here as for reasoning, a piece that names no `block` goes on with
    the one last open.
    """

    text: str | None = ""
    block: BlockKey = None
    signature: str | None = None
    item_id: str | None = None
    phase: str | None = None


class Reasoning(msgspec.Struct, gc=False):
    """New reasoning; `signature`, `data` (encrypted content) and `id` belong to the whole block and overwrite."""

    text: str | None = ""
    block: BlockKey = None
    signature: str | None = None
    data: str | None = None
    id: str | None = None


class Refusal(msgspec.Struct, gc=False):
    """New words of a refusal."""

    text: str


class ToolCallPiece(msgspec.Struct, gc=False):
    """A piece of a tool call; `whole` says that nothing more of this call will come.

    `in_full` are all its arguments once more: they count only where no piece of them came.
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


class Merge(msgspec.Struct, frozen=True):
    """How pieces of one opaque part are told (`keys`: the same values) and joined (strings under `joined`)."""

    keys: tuple[str, ...]
    joined: tuple[str, ...]


class Opaque(msgspec.Struct):
    """A part with no unified form, kept as the provider's JSON; argument pieces for `block` become its key `fill`.

    Without a payload it is nothing. With `merge` it may be a piece of a part that began before.
    """

    payload: bytes | None
    block: BlockKey = None
    fill: str | None = None
    merge: Merge | None = None


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
    """Names of the answer."""

    id: str | None = None
    model: str | None = None
    request_id: str | None = None


class Logprobs(msgspec.Struct):
    """Log probabilities in the provider's own form; a list is spread."""

    value: Any


class Citation(msgspec.Struct):
    """A citation or annotation in the provider's own form; a list is spread."""

    value: Any


class Progress(msgspec.Struct, gc=False):
    """The provider is at work on something that is no output: a search, say. It counts against silence."""

    what: Any = None


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

"""What was found out about one behaviour of a server."""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

Verdict: TypeAlias = Literal["ok", "row", "differs", "absent", "untried"]
"""`ok` as in the format's documentation; `row` a table row says it; `differs` no row helps; `absent` the server does
not do it, which is allowed; `untried` it did not show, or the answer did not come in time."""

Part: TypeAlias = Literal["body", "errors", "structured", "parts", "embeddings", "without"]


class Row(msgspec.Struct, frozen=True):
    """A row to paste, as Python: an entry of the provider's `part`. `without` names a dialect that is not spoken."""

    part: Part
    code: str


class Finding(msgspec.Struct, frozen=True):
    """One behaviour: what it is called, how it stands, what was seen, and the rows that say it."""

    behaviour: str
    verdict: Verdict
    seen: str
    rows: tuple[Row, ...] = ()

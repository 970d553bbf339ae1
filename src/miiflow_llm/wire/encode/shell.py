"""A message under construction."""

from __future__ import annotations

from typing import Any

import msgspec

from ...core.messages import Message


class Shell(msgspec.Struct):
    """A message under construction: its wire role, what stands in its content, and what beside it.

    `plain` says that there is text alone, without marks; `texts` are the texts, as they are inside.
    """

    message: Message
    role: str
    inside: list[Any] = []
    texts: list[str] = []
    beside: dict[str, Any] = {}
    plain: bool = True

    def content(self, *, plain: bool) -> Any:
        """The content on the wire; `plain` says whether text alone may be a bare string."""
        if not self.inside:
            return None if self.beside else ""
        if plain and self.plain and len(self.inside) == 1:
            return self.texts[0]
        return self.inside

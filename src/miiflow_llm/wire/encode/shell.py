"""A message under construction."""

from __future__ import annotations

from typing import Any

import msgspec

from .json_bytes import json_bytes


class Shell(msgspec.Struct):
    """What is written of a message, or of neighbours of one wire role: its content, and what stands beside it.

    `speaker` is our word for the role. `plain` says that there is nothing but text, without marks; `texts` are it, as
    they are inside. `rendered` is all of it as it is sent, once that is known and if it is not the last.
    """

    role: str
    speaker: str
    name: str | None = None
    inside: list[Any] = []
    texts: list[str] = []
    beside: dict[str, Any] = {}
    plain: bool = True
    rendered: bytes | None = None

    def content(self, *, plain: bool) -> Any:
        """The content on the wire; `plain` says whether mere text may be a bare string."""
        if not self.inside:
            return None if self.beside else ""
        if plain and self.plain and len(self.inside) == 1:
            return self.texts[0]
        return self.inside

    def kept(self) -> Shell:
        """The shell as it can be kept: what stands in it is JSON."""
        return msgspec.structs.replace(self, inside=[msgspec.Raw(json_bytes(one)) for one in self.inside])

    def size(self) -> int:
        """About how many bytes it takes, once it is rendered too."""
        return 2 * sum(memoryview(one).nbytes for one in self.inside) + len(json_bytes(self.beside))

    def put_beside(self, key: str, value: Any, *, joined: bool) -> None:
        """Put the value into the list beside the content, or to the end of the text there."""
        if joined:
            self.beside[key] = self.beside.get(key, "") + value
        else:
            self.beside.setdefault(key, []).append(value)

    def with_next(self, other: Shell) -> Shell:
        """Both as one; neither is changed, for both may be kept."""
        beside = {key: value if isinstance(value, str) else [*value] for key, value in self.beside.items()}
        joined = msgspec.structs.replace(
            self,
            inside=[*self.inside, *other.inside],
            texts=[*self.texts, *other.texts],
            beside=beside,
            plain=self.plain and other.plain,
            rendered=None,
        )
        for key, value in other.beside.items():
            for one in [value] if isinstance(value, str) else value:
                joined.put_beside(key, one, joined=isinstance(value, str))
        return joined

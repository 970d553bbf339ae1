"""What the names of templates mean in generated code: of the body, of a message, and of a block of each type."""

from __future__ import annotations

from ...core.messages import ToolCall, ToolResult
from ...core.request import ChatRequest
from ...tables.dialect import Dialect
from .code import Code


class OfBody:
    """The names in the body: the request's own, and the messages as they are written."""

    def value(self, name: str) -> str:
        """The expression."""
        head, _, rest = name.partition(".")
        if head not in ChatRequest.__struct_fields__:
            return "None"
        if name == "messages":
            return name
        return f"attribute(request.{head}, {rest!r})" if rest else f"request.{head}"


class OfMessage:
    """The names in a message: those of its shell, and the request's."""

    def __init__(self, dialect: Dialect) -> None:
        self._own = {
            "role": "shell.role",
            "content": f"shell.content(plain={dialect.plain})",
            "parts": "(shell.inside or None)",
            "text": "''.join(shell.texts)",
            "name": "shell.name",
            "last": "last",
            "messages": "request.messages",
        }

    def value(self, name: str) -> str:
        """The expression."""
        return self._own.get(name) or OfBody().value(name)


class OfBlock:
    """The names in the place of a block: its fields, what is derived of them, and what the conversation knows."""

    def __init__(self, code: Code, kind: type, dialect: Dialect) -> None:
        self.code = code
        self._fields: tuple[str, ...] = getattr(kind, "__struct_fields__", ())
        self._own = {"model": "turn.model", "role": "role", "leads": "turn.leads", **self._proofs(kind)}
        pattern = code.constant(dialect.tool_names)
        if kind is ToolCall:
            self._own["name"] = f"(legal_name({pattern}, block.name) if block.name else block.name)"
            self._own["arguments"] = "arguments_text(block)"
            self._own["input"] = "arguments_object(block)"
        if kind is ToolResult:
            self._own["name"] = f"(legal_name({pattern}, name) if (name := turn.name_of(block)) else name)"
            self._own["text"] = "text_only(block)"
            self._own["custom"] = "turn.is_custom(block)"
            self._own["content"] = "turn.inner(block, collapse=True)"
            self._own["parts"] = "turn.inner(block, collapse=False)"

    def _proofs(self, kind: type) -> dict[str, str]:
        """A result has the proof of its call, any other block its own, if this model made it."""
        if kind is ToolResult or "origin" not in self._fields:
            return {name: f"turn.proof(block, {name!r})" for name in ("signature", "item_id")}
        return {
            name: f"(block.{name} if (block.origin or '') in turn.mine else None)" if name in self._fields else "None"
            for name in ("signature", "item_id")
        }

    def value(self, name: str) -> str:
        """The expression."""
        if name in self._own:
            return self._own[name]
        head, _, rest = name.partition(".")
        if head == "media":
            return f"attribute(turn.media(block), {rest!r})" if rest else "turn.media(block)"
        return self.field(name)

    def field(self, name: str) -> str:
        """The expression for a field of the block; `None` if it has no such field."""
        return f"block.{name}" if name in self._fields else f"attribute(block, {name!r})"

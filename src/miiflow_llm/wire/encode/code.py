"""Generated code while it is being written: its lines, and the values that it names."""

from __future__ import annotations

from typing import Any

_TAKEN = frozenset(
    ("block", "body", "bool", "last", "message", "messages", "name", "request", "role", "shell", "turn", "value")
)
"""Names that the generated code has a use for already."""

_WRITTEN_OUT = (str, int, float, bool, type(None))


class Code:
    """The lines of one or more functions. Names of variables and constants are used once in all of them."""

    def __init__(self, **constants: Any) -> None:
        self.lines: list[str] = []
        self.depth = 0
        self.constants: dict[str, Any] = dict(constants)
        self._count = 0

    @property
    def source(self) -> str:
        """The text of it."""
        return "\n".join(self.lines) + "\n"

    def line(self, text: str) -> None:
        """Add a line."""
        self.lines.append("    " * self.depth + text)

    def begin(self, text: str) -> None:
        """Add a line that opens a block."""
        self.line(text)
        self.depth += 1

    def function(self, signature: str) -> None:
        """Begin a function."""
        self.lines += [""] if self.lines else []
        self.begin(f"def {signature}:")

    def end(self) -> None:
        """Close the block."""
        self.depth -= 1

    def name(self) -> str:
        """A name that no other variable has."""
        self._count += 1
        return f"v{self._count}"

    def held(self, expression: str) -> str:
        """A variable that holds the expression's value."""
        name = self.name()
        self.line(f"{name} = {expression}")
        return name

    def constant(self, value: Any) -> str:
        """An expression for the value: its literal, or a name that the code is given it under."""
        if type(value) in _WRITTEN_OUT and value == value and value not in (float("inf"), -float("inf")):
            return repr(value)
        name = next((name for name, known in self.constants.items() if known is value), None)
        if name is None:
            name = self._named(value)
            self.constants[name] = value
        return name

    def _named(self, value: Any) -> str:
        """A name that says what the value is, if it is a function with a name of its own."""
        said = getattr(value, "__name__", "")
        name = said if said.isidentifier() and said not in _TAKEN else f"c{len(self.constants)}"
        return name if name not in self.constants else f"{name}_{len(self.constants)}"

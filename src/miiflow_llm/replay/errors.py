"""What can go wrong in recording and replaying, as types; it knows nothing of captures' contents."""

from __future__ import annotations


class ReplayError(Exception):
    """Base of the errors of `miiflow_llm.replay`; the message says which capture or request and what to do."""


class CaptureError(ReplayError):
    """A capture's files are missing, unreadable or badly named, or two captures have the same name."""


class SecretFoundError(ReplayError):
    """A capture was not written because something like a credential is in it.

    `where` names the part ("body", "request", "path", "headers") and `kind` what it looks like; the value itself is
    never told.
    """

    def __init__(self, name: str, where: str, kind: str) -> None:
        super().__init__(
            f"capture {name!r} was not written: its {where} holds what looks like {kind}; redact it and save again"
        )
        self.where = where
        self.kind = kind


class NoMatchError(ReplayError, LookupError):
    """No capture answers a request.

    `request` is the request in a line, `nearest` the name of the capture that comes closest (`None` if there are
    none), `differs` the aspects in which that one differs, and `diff` a unified diff of the two bodies (`""` where
    they agree). `recorded` is what the nearest was asked with, in a line that begins with its name.
    """

    def __init__(
        self, request: str, nearest: str | None, differs: tuple[str, ...], diff: str, recorded: str | None = None
    ) -> None:
        parts = [f"no capture answers {request}"]
        if nearest:
            parts.append(f"the nearest is {recorded or nearest}, which differs in {', '.join(differs) or 'nothing'}")
        if diff:
            parts.append(diff)
        super().__init__("\n".join(parts))
        self.request = request
        self.nearest = nearest
        self.differs = differs
        self.diff = diff

"""A key of two or three parts, with which requests are signed."""

from __future__ import annotations

import msgspec


class AccessKey(msgspec.Struct, frozen=True):
    """A key that signs requests and is not sent itself: its id, the secret, and the token of a session if it is one
    of a session.

    For `api_key=` at providers that take signed requests. It shows in no repr.
    """

    id: str
    secret: str
    session_token: str | None = None

    def __repr__(self) -> str:
        return "AccessKey('***')"

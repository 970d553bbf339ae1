"""The error table: which exception a failure is, by its status, code and words."""

from __future__ import annotations

import msgspec

from ..core import exceptions


class Fault(msgspec.Struct, frozen=True):
    """A row from status, code, type and words of a failure to its exception; all that is given must hold.

    `says` is a regular expression looked for in the message and in the failure's details. `retry` overrides what the
    exception would say.
    """

    error: type[exceptions.ProviderError]
    status: tuple[int, ...] = ()
    code: tuple[str, ...] = ()
    says: str = ""
    retry: bool | None = None
    stands_for: int | None = None


def fault(
    error: type[exceptions.ProviderError],
    *codes: str,
    status: int | tuple[int, ...] = (),
    says: str = "",
    retry: bool | None = None,
    stands_for: int | None = None,
) -> Fault:
    """A row of the error table; `codes` are looked for in the failure's code and type.

    `stands_for` is the HTTP status that this failure has when it comes inside a stream.
    """
    return Fault(error, (status,) if isinstance(status, int) else status, codes, says, retry, stands_for)

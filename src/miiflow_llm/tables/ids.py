"""Convert ids of tool calls for wires that do not take every id.

The same id always gives the same, so that a call and its result stay paired, whoever made them.
"""

from __future__ import annotations

import hashlib
import re
import string

_ALPHABET = string.digits + string.ascii_letters


def nine(identity: str) -> str:
    """The id of a call as models that check it want it: nine letters and digits, always the same nine for one id."""
    return identity if re.fullmatch("[a-zA-Z0-9]{9}", identity) else _made(identity, 9)


def within_64(identity: str) -> str:
    """The id of a call if it is 1 to 64 letters, digits and `_.:-`; any other gets a new one."""
    return identity if re.fullmatch("[a-zA-Z0-9_.:-]{1,64}", identity) else f"call_{_made(identity, 24)}"


def _made(identity: str, length: int) -> str:
    number = int.from_bytes(hashlib.sha256(identity.encode()).digest())
    out = ""
    for _ in range(length):
        number, digit = divmod(number, len(_ALPHABET))
        out += _ALPHABET[digit]
    return out

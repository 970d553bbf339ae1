"""Whether, and how, a model goes on with an answer that another began: its text is then the last message, the model's.

A provider without a documented way refuses: a model that begins a new turn instead would give a text with a gap.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec


class Continuation(msgspec.Struct, frozen=True):
    """How models go on with an answer that was begun.

    `refused` says why they do not, `None` if they do. `repeats`: the reply begins with the text again. `strips`: white
    space at the end of the text is not sent, and may come again. `thinks`: they also go on while they think. `base_url`
    is the only address that takes it, `None` for the usual one. `body` are fields that the body needs for it.
    `unproven` says why it is not relied on unless the caller says so.
    """

    refused: str | None = None
    repeats: bool = False
    strips: bool = False
    thinks: bool = True
    base_url: str | None = None
    body: Mapping[str, Any] = {}
    unproven: str | None = None


NOT_DOCUMENTED = Continuation("its provider documents no way to go on with an answer that was begun")


def continuation_of(rows: Mapping[str, Continuation], model: str) -> Continuation:
    """The row of a model; patterns are tried in order."""
    return next((row for pattern, row in rows.items() if re.match(pattern, model)), NOT_DOCUMENTED)

"""Which response headers hold what a caller may want."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec


class ResponseHeaders(msgspec.Struct, frozen=True):
    """Where the headers hold what the caller may want. Each is a list of header names; the first found wins.

    `retry_after` values are seconds, dates or durations, in milliseconds if the name ends in `-ms`. `error_code` is the
    word for a failure, up to a colon, if its body has none. `limits` are the fields of `RateLimit`.
    """

    request_id: tuple[str, ...] = ("x-request-id", "request-id")
    retry_after: tuple[str, ...] = ("retry-after-ms", "x-ms-retry-after-ms", "retry-after")
    retry_flag: tuple[str, ...] = ("x-should-retry",)
    error_code: tuple[str, ...] = ()
    limits: Mapping[str, tuple[str, ...]] = {}

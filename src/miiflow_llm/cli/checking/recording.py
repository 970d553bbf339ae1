"""Ask the server and keep everything: status, headers, bytes and when they came."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx
import msgspec

from ...core import clock
from ...core.exceptions import NetworkError
from ...http.plain_clients import sync_client

MOST = 8 * 1024 * 1024
"""A larger answer is cut: nobody asked for one."""


class Recorded(msgspec.Struct, frozen=True):
    """One exchange. `reads` are (milliseconds since the request, bytes); `broken` says how the body broke off.

    A status of 0 means that the connection broke before it came. `late` says that the time was over before the end.
    """

    status: int
    headers: dict[str, str]
    body: bytes
    reads: list[tuple[float, int]] = []
    broken: str | None = None
    late: bool = False

    @property
    def json(self) -> Any:
        """The body's value; `None` if it is not JSON."""
        try:
            return msgspec.json.decode(self.body)
        except msgspec.DecodeError:
            return None

    @property
    def failure(self) -> str:
        """What came in place of an answer."""
        if self.late or not self.status:
            return f"no answer: {self.broken}"
        return f"answered {self.status}: {self.body[:120].decode(errors='replace')}"

    @property
    def content_type(self) -> str:
        """The media type without parameters, in lower case."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()


class Asker:
    """A server under `base_url`. `asked` counts the requests; each has `timeout` seconds for its whole answer."""

    def __init__(self, base_url: str, key: str | None, timeout: float) -> None:
        headers = {"authorization": f"Bearer {key}"} if key else {}
        # a connection for each: servers close theirs after some errors, and the next request would tell nothing
        self._http = sync_client(httpx.Limits(max_keepalive_connections=0), timeout=timeout, headers=headers)
        self._base_url = base_url.rstrip("/")
        self.timeout = timeout
        self.asked = 0

    def get(self, path: str) -> Recorded:
        """What stands at a path."""
        return self._ask("GET", path, None, {})

    def post(self, path: str, body: Mapping[str, Any], *, key: str | None = None) -> Recorded:
        """A request with a body; `key` replaces the key."""
        headers = {"authorization": f"Bearer {key}"} if key else {}
        if body.get("stream"):
            headers["accept"] = "text/event-stream"
        return self._ask("POST", path, body, headers)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _ask(self, method: str, path: str, body: Mapping[str, Any] | None, headers: dict[str, str]) -> Recorded:
        self.asked += 1
        content = None if body is None else msgspec.json.encode(body)
        kind = {} if body is None else {"content-type": "application/json"}
        started = clock.monotonic()
        try:
            with self._http.stream(
                method, self._base_url + path, content=content, headers={**kind, **headers}
            ) as answer:
                return self._read(answer, started)
        except httpx.InvalidURL as reason:
            raise NetworkError(f"{self._base_url}: {reason}") from None
        except httpx.ConnectError as reason:
            raise NetworkError(f"{self._base_url}: nobody answers: {reason}") from None
        except httpx.TimeoutException:
            return Recorded(0, {}, b"", broken=self._too_late(), late=True)
        except httpx.HTTPError as reason:
            return Recorded(0, {}, b"", broken=f"{type(reason).__name__}: {reason}")

    def _read(self, answer: httpx.Response, started: float) -> Recorded:
        parts, reads, broken, size, late = list[bytes](), list[tuple[float, int]](), None, 0, False
        _limit(answer, started + self.timeout)
        try:
            for part in answer.iter_bytes():
                parts.append(part)
                reads.append((round((clock.monotonic() - started) * 1000, 1), len(part)))
                size += len(part)
                if size > MOST:
                    broken = f"more than {MOST} bytes"
                    break
                if clock.monotonic() - started > self.timeout:
                    raise httpx.ReadTimeout("")
        except httpx.TimeoutException:
            broken, late = self._too_late(), True
        except httpx.HTTPError as reason:
            broken = f"{type(reason).__name__}: {reason}"
        return Recorded(answer.status_code, dict(answer.headers), b"".join(parts), reads, broken, late)

    def _too_late(self) -> str:
        return f"not whole after {self.timeout:g} s (--timeout gives it longer)"


def _limit(answer: httpx.Response, until: float) -> None:
    """End every wait for the body by then, if the transport is ours; httpx's limits each wait for itself."""
    stream = answer.extensions.get("miiflow_stream")
    if stream is not None:
        stream.deadline = until

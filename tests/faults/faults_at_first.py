"""The faults that come in place of an answer: no head, a status that is an error, an error under 200."""

from __future__ import annotations

import email.utils
import json
from collections.abc import Callable, Iterator

from miiflow_llm.core import exceptions as error
from miiflow_llm.core.timeout import Timeout

from .fault import CODED, HTML, MAX_REQUESTS, SSE, Fault, always, then_well
from .helpers import SHORT, SUMMED
from .server import CLOSE, HANG, RESET, Every, Step, Steps, head, whole
from .wire import Wire
from .wires import COHERE


def _kinds(status: int) -> Iterator[Fault]:
    """The three bodies that an error may have: retried to the end, and retried once."""
    bodies: dict[str, Callable[[Wire], list[Step]]] = {
        "JSON": lambda wire: whole(wire.error, status),
        "page": lambda wire: whole(HTML, status, "text/html"),
        "nothing": lambda wire: whole(b"", status),
    }
    kind = error.RateLimitError if status == 429 else error.ServiceUnavailableError
    for name, body in bodies.items():
        if name == "JSON" and status == 429:
            yield Fault(f"{status} with JSON", always(body), error.ProviderError, "", MAX_REQUESTS)
        else:
            yield Fault(f"{status} with {name}", always(body), kind, "", MAX_REQUESTS)
    yield Fault(f"{status} once", then_well(bodies["page"]), requests=2)


def _retry_after(value: str) -> Callable[[Wire], Steps]:
    return lambda wire: whole(HTML, 503, "text/html", value)


def _past() -> str:
    return email.utils.formatdate(1_000_000_000, usegmt=True)


STATUSES = [fault for status in (408, 409, 429, 500, 502, 503, 504, 524, 529) for fault in _kinds(status)]

REFUSALS = [
    Fault(f"{status}", always(lambda wire, status=status: whole(HTML, status, "text/html")), kind, "")  # type: ignore[misc]
    for status, kind in {
        400: error.InvalidRequestError,
        401: error.AuthenticationError,
        402: error.QuotaExceededError,
        403: error.PermissionDeniedError,
        404: error.ModelNotFoundError,
        413: error.InvalidRequestError,
        422: error.InvalidRequestError,
        302: error.ProviderError,
    }.items()
]

UPLOADS = [
    Fault(
        f"{status} during an upload",
        always(lambda wire, status=status: [*whole(HTML, status, "text/html", "retry-after: 0"), HANG]),  # type: ignore[misc]
        kind,
        "",
        requests,
        asks="x" * 1_000_000,
        early=True,
    )
    for status, kind, requests in ((413, error.InvalidRequestError, 1), (429, error.RateLimitError, MAX_REQUESTS))
]

HINTS = [
    Fault("retry-after of 0", then_well(_retry_after("retry-after: 0")), requests=2),
    Fault("retry-after of a tenth", then_well(_retry_after("retry-after: 0.1")), requests=2),
    Fault("retry-after in ms", then_well(_retry_after("retry-after-ms: 20")), requests=2),
    Fault("retry-after of the past", then_well(_retry_after(f"retry-after: {_past()}")), requests=2),
    Fault("retry-after below 0", then_well(_retry_after("retry-after: -5")), requests=2),
    Fault("retry-after that is no number", then_well(_retry_after("retry-after: soon")), requests=2),
    Fault("retry-after of NaN", then_well(_retry_after("retry-after: nan")), requests=2),
    Fault(
        "retry-after of a year",
        always(_retry_after("retry-after: 31536000")),
        error.ServiceUnavailableError,
        "",
        retry_after=86400.0,
    ),
    Fault(
        "retry-after without end",
        always(_retry_after("retry-after: 1e999")),
        error.ServiceUnavailableError,
        "",
        retry_after=86400.0,
    ),
    Fault(
        "retry-after beyond the total",
        always(_retry_after("retry-after: 30")),
        error.ServiceUnavailableError,
        "",
        retry_after=30.0,
        limits=Timeout(total=2),
    ),
    Fault(
        "x-should-retry: false",
        always(lambda wire: whole(HTML, 500, "text/html", "x-should-retry: false")),
        error.ServiceUnavailableError,
        "",
    ),
    Fault(
        "x-should-retry: true",
        always(lambda wire: whole(wire.invalid, 400, "application/json", "x-should-retry: true")),
        error.InvalidRequestError,
        "",
        MAX_REQUESTS,
    ),
    Fault(
        "quota used up",
        always(lambda wire: whole(wire.quota, wire.quota_status)),
        error.QuotaExceededError,
        "",
        wires=SSE,
    ),
]

BEFORE_THE_ANSWER = [
    Fault(
        "no answer",
        always(lambda wire: [HANG]),
        error.TimeoutError,
        "",
        phase="first_output",
        limits=SHORT,
    ),
    Fault(
        "head that trickles",
        always(lambda wire: [b"HTTP/1.1 200 OK\r\n", Every(0.05, b"x-a: b\r\n")]),
        error.TimeoutError,
        "",
        phase="first_output",
        limits=SUMMED,
    ),
    Fault(
        "head that trickles, whatever the other phases may take",
        always(lambda wire: [b"HTTP/1.1 200 OK\r\nx-slow: ", Every(0.05, b"a")]),
        error.TimeoutError,
        "",
        phase="first_output",
        limits=Timeout(connect=30, pool=30, write=30, first_output=0.3),
        slowest=8.0,
    ),
    Fault(
        "head that trickles, within a total",
        always(lambda wire: [b"HTTP/1.1 200 OK\r\n", Every(0.05, b"x-a: b\r\n")]),
        error.TimeoutError,
        "",
        phase="total",
        limits=Timeout(total=1.5),
    ),
    Fault("closed before the head", always(lambda wire: [CLOSE]), error.NetworkError, "", MAX_REQUESTS),
    Fault("reset before the head", always(lambda wire: [RESET]), error.NetworkError, "", MAX_REQUESTS),
    Fault("closed before the head, once", then_well(lambda wire: [CLOSE]), requests=2),
    Fault("reset before the head, once", then_well(lambda wire: [RESET]), requests=2),
    Fault(
        "head cut short",
        always(lambda wire: [wire.head()[:30], CLOSE]),
        error.NetworkError,
        "",
        MAX_REQUESTS,
    ),
    Fault(
        "another protocol",
        always(lambda wire: [b"SSH-2.0-OpenSSH_9.6\r\n", CLOSE]),
        error.NetworkError,
        "",
        MAX_REQUESTS,
    ),
    Fault(
        "error whose body never ends",
        always(lambda wire: [head(503, "text/html", "content-length: 99"), b"<b>", HANG]),
        error.ServiceUnavailableError,
        "",
        MAX_REQUESTS,
        limits=Timeout(first_output=0.6),
    ),
    Fault(
        "error whose body is cut short",
        always(lambda wire: [head(503, "text/html", "content-length: 99"), b"<b>", RESET]),
        error.ServiceUnavailableError,
        "",
        MAX_REQUESTS,
    ),
    Fault(
        "error of 4 MB",
        always(lambda wire: [head(500, "text/html", f"content-length: {1 << 22}"), b"a" * (1 << 22)]),
        error.ServiceUnavailableError,
        "",
        MAX_REQUESTS,
    ),
]

ERRORS_UNDER_200 = [
    Fault(
        "overload before content",
        always(lambda wire: wire.streamed(wire.opening, wire.overload)),
        error.ServiceUnavailableError,
        "",
        MAX_REQUESTS,
    ),
    Fault("overload before content, once", then_well(lambda wire: wire.streamed(wire.overload)), requests=2),
    Fault(
        "overload after content",
        always(lambda wire: wire.streamed(wire.opening, wire.hel, wire.overload)),
        error.ServiceUnavailableError,
        "Hel",
    ),
    Fault(
        "overload after reasoning",
        always(lambda wire: wire.streamed(wire.opening, wire.reasoning, wire.overload)),
        error.ServiceUnavailableError,
        "",
    ),
    Fault(
        "overload after a piece of a call",
        always(lambda wire: wire.streamed(wire.opening, wire.tool, wire.overload)),
        error.ServiceUnavailableError,
        "",
    ),
    Fault(
        "refusal before content",
        always(lambda wire: wire.streamed(wire.opening, wire.refusal)),
        error.ProviderError,
        "",
        wires=CODED,
    ),
    Fault(
        "JSON error under 200",
        always(lambda wire: whole(wire.error)),
        error.ServiceUnavailableError,
        "",
        MAX_REQUESTS,
        wires=CODED,
    ),
    Fault("JSON error under 200", always(lambda wire: whole(wire.error)), error.ProviderError, "", wires=(COHERE,)),
    Fault("JSON error under 200, once", then_well(lambda wire: whole(wire.error)), requests=2, wires=CODED),
    Fault("JSON refusal under 200", always(lambda wire: whole(wire.invalid)), error.ProviderError, ""),
    Fault(
        "JSON error as a stream",
        always(lambda wire: whole(wire.error, kind=wire.kind)),
        error.ServiceUnavailableError,
        "",
        MAX_REQUESTS,
        wires=CODED,
    ),
    Fault(
        "JSON error of several lines as a stream",
        always(lambda wire: whole(json.dumps(json.loads(wire.error), indent=1).encode(), kind=wire.kind)),
        error.ServiceUnavailableError,
        "",
        MAX_REQUESTS,
        wires=[wire for wire in SSE if wire in CODED],
    ),
    Fault("page under 200", always(lambda wire: whole(HTML, kind="text/html")), error.StreamProtocolError, ""),
    Fault(
        "page as a stream",
        always(lambda wire: whole(HTML, kind=wire.kind)),
        error.StreamProtocolError,
        "",
    ),
    Fault(
        "nothing under 200",
        always(lambda wire: whole(b"", kind=wire.kind)),
        error.StreamInterruptedError,
        "",
        MAX_REQUESTS,
    ),
    Fault("whole answer for a stream", always(lambda wire: whole(wire.answer))),
]

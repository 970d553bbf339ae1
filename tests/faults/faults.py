"""All faults of the matrix, and those of answers that are not streamed."""

from __future__ import annotations

import gzip

from miiflow_llm.core import exceptions as error
from miiflow_llm.core.timeout import Timeout

from .fault import CODED, HTML, MAX_REQUESTS, Fault, always
from .faults_at_first import BEFORE_THE_ANSWER, ERRORS_UNDER_200, HINTS, REFUSALS, STATUSES, UPLOADS
from .faults_of_bytes import CUTS, LONE, ODD_BYTES, SIZES
from .faults_of_time import SILENCE
from .helpers import SHORT
from .server import CLOSE, HANG, RESET, Every, chunk, head, whole
from .wires import COHERE

WHOLE = [
    fault._replace(name=f"whole: {fault.name}", stream=False)
    for fault in (
        Fault("answer", always(lambda wire: whole(wire.answer))),
        Fault(
            "answer in gzip",
            always(lambda wire: whole(gzip.compress(wire.answer), 200, "application/json", "content-encoding: gzip")),
        ),
        Fault("503", always(lambda wire: whole(wire.error, 503)), error.ServiceUnavailableError, "", MAX_REQUESTS),
        Fault("503 once", lambda wire: [whole(HTML, 503, "text/html"), whole(wire.answer)], requests=2),
        Fault("401", always(lambda wire: whole(HTML, 401, "text/html")), error.AuthenticationError, ""),
        Fault(
            "error under 200",
            always(lambda wire: whole(wire.error)),
            error.ServiceUnavailableError,
            "",
            MAX_REQUESTS,
            wires=CODED,
        ),
        Fault("error under 200", always(lambda wire: whole(wire.error)), error.ProviderError, "", wires=(COHERE,)),
        Fault("lone surrogate", always(lambda wire: whole(wire.answer.replace(*LONE))), text="H\ufffdllo"),
        Fault("refusal under 200", always(lambda wire: whole(wire.invalid)), error.ProviderError, ""),
        Fault("page under 200", always(lambda wire: whole(HTML, kind="text/html")), error.StreamProtocolError, ""),
        Fault("nothing under 200", always(lambda wire: whole(b"")), error.StreamInterruptedError, "", MAX_REQUESTS),
        Fault("no answer", always(lambda wire: [HANG]), error.TimeoutError, "", phase="first_output", limits=SHORT),
        Fault(
            "body that trickles",
            always(
                lambda wire: [head(200, "application/json", "transfer-encoding: chunked"), Every(0.05, chunk(b" "))]
            ),
            error.TimeoutError,
            "",
            phase="first_output",
            limits=SHORT,
        ),
        Fault(
            "body that floods",
            always(
                lambda wire: [
                    head(200, "application/json", "transfer-encoding: chunked"),
                    Every(0.001, chunk(b" " * 9)),
                ]
            ),
            error.TimeoutError,
            "",
            phase="first_output",
            limits=SHORT,
        ),
        Fault(
            "body cut short",
            always(lambda wire: [whole(wire.answer)[0][:-9], CLOSE]),  # type: ignore[index]
            error.NetworkError,
            "",
            MAX_REQUESTS,
        ),
        Fault(
            "body cut short, once",
            lambda wire: [[whole(wire.answer)[0][:-9], RESET], whole(wire.answer)],  # type: ignore[index]
            requests=2,
        ),
        Fault(
            "body without end",
            always(lambda wire: [head(200, "application/json"), Every(0.001, b" " * 4096)]),
            error.StreamProtocolError,
            "",
            options={"max_frame_bytes": 100_000},
        ),
        Fault(
            "body cut in two",
            always(lambda wire: whole(wire.answer[: len(wire.answer) // 2])),
            error.StreamInterruptedError,
            "",
            MAX_REQUESTS,
        ),
        Fault(
            "no answer within a total",
            always(lambda wire: [HANG]),
            error.TimeoutError,
            "",
            phase="total",
            limits=Timeout(total=1.5),
        ),
    )
]

FAULTS = [
    *BEFORE_THE_ANSWER,
    *STATUSES,
    *REFUSALS,
    *UPLOADS,
    *HINTS,
    *ERRORS_UNDER_200,
    *CUTS,
    *ODD_BYTES,
    *SIZES,
    *SILENCE,
    *WHOLE,
]

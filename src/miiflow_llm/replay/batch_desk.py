"""The batch APIs of a replay server: lines are handed in, answered from the captures, and given back when asked for."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Literal

import msgspec

from ..core.batches import BatchStatus
from .capture import Capture

Answer = tuple[int, dict[str, str], bytes]
"""Status, headers and body."""
Find = Callable[[str, Any], Capture]
"""The capture that answers a path and body."""


class Job(msgspec.Struct):
    """A batch that was handed in: its `lines` as they came, and the `answers` to those that were made."""

    id: str
    endpoint: str
    model: str
    lines: list[dict[str, Any]]
    file: str = ""
    looks: int = 0
    status: BatchStatus = "queued"
    answers: list[LineAnswer] = []


class LineAnswer(msgspec.Struct):
    """What a line got: the status and body of a live call; `ending` in place of these if it was never made."""

    line: dict[str, Any]
    key: str
    status: int = 200
    body: Any = None
    ending: Literal["", "expired", "cancelled"] = ""

    @property
    def served(self) -> bool:
        """Whether it was answered, not with an error."""
        return not self.ending and self.status < 400


class BatchPlan(msgspec.Struct):
    """How batches go: they are done at the look after `looks`, as `status`, when `answered` lines were (`None`: all).

    `refusal` is why a `failed` one was refused.
    """

    looks: int = 1
    status: Literal["ended", "failed", "expired", "cancelled"] = "ended"
    answered: int | None = None
    refusal: str = "line 1 is not JSON"


class BatchDesk:
    """What was uploaded and handed in. `find` answers lines; `plan` may be set anew while the server runs."""

    def __init__(self, find: Find) -> None:
        self.plan = BatchPlan()
        self.files: dict[str, bytes] = {}
        self.jobs: dict[str, Job] = {}
        self._find = find

    def upload(self, content: bytes) -> str:
        """Keep a file; its id."""
        id_ = f"file-{len(self.files) + 1}"
        self.files[id_] = content
        return id_

    def create(self, id_: str, endpoint: str, model: str, lines: list[dict[str, Any]], file: str = "") -> Job:
        """Take lines in."""
        job = self.jobs[id_] = Job(id_, endpoint, model, lines, file)
        return job

    def lines_of(self, file: str) -> list[dict[str, Any]]:
        """The lines of a file."""
        return [msgspec.json.decode(line) for line in self.files[file].splitlines() if line.strip()]

    def look(self, job: Job, paths: Callable[[Job, dict[str, Any]], tuple[str, str, Any]]) -> None:
        """Somebody looks: the batch goes on. `paths` gives key, path and body of a line."""
        if job.status in ("queued", "running"):
            job.looks += 1
            job.status = "running"
            if job.looks > self.plan.looks:
                self._finish(job, paths, self.plan.status)

    def cancel(self, job: Job, paths: Callable[[Job, dict[str, Any]], tuple[str, str, Any]]) -> None:
        """End it."""
        if job.status in ("queued", "running"):
            self._finish(job, paths, "cancelled")

    def _finish(
        self, job: Job, paths: Callable[[Job, dict[str, Any]], tuple[str, str, Any]], status: BatchStatus
    ) -> None:
        job.status = status
        if status == "failed":
            return
        most = len(job.lines) if self.plan.answered is None else self.plan.answered
        if status == "cancelled" and self.plan.answered is None:
            most = 0
        for place, line in enumerate(job.lines):
            key, path, body = paths(job, line)
            if place >= most:
                made = LineAnswer(line, key, ending="expired" if status == "expired" else "cancelled")
            else:
                made = self._made(line, key, path, body)
            job.answers.append(made)
        job.answers.reverse()  # results come in no order

    def _made(self, line: dict[str, Any], key: str, path: str, body: Any) -> LineAnswer:
        try:
            capture = self._find(path, body)
        except LookupError as error:
            return LineAnswer(line, key, 404, {"error": {"message": str(error), "code": "no_capture"}})
        return LineAnswer(line, key, capture.status, msgspec.json.decode(capture.body))


def form_file(headers: Mapping[str, str], body: bytes) -> bytes | None:
    """The file in a multipart body; `None` if there is none."""
    boundary = re.search(r"boundary=\"?([^\";]+)", headers.get("content-type", ""))
    if boundary is None:
        return None
    for part in body.split(f"--{boundary[1]}".encode()):
        head, _, content = part.partition(b"\r\n\r\n")
        if b"filename=" in head:
            return content.removesuffix(b"\r\n")
    return None

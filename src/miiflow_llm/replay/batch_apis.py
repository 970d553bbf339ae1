"""Answer requests to the batch APIs, each in its provider's own shape.

Written from the vendors' SDKs, not from our tables, so that each proves the other.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import msgspec

from .batch_desk import Answer, BatchDesk, Job, LineAnswer, form_file

_CREATED = 1_780_000_000


class BatchCall(msgspec.Struct):
    """A request to a batch API; `path` is without the base URL's version."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    host: str

    @property
    def json(self) -> dict[str, Any]:
        """The body's JSON."""
        found = msgspec.json.decode(self.body)
        return found if isinstance(found, dict) else {}


def answer(desk: BatchDesk, provider: str | None, call: BatchCall) -> Answer | None:
    """What the provider's batch API answers; `None` if the request is for another API."""
    api = _APIS.get(provider or "openai", OpenAIApi)(desk)
    for pattern, handler in api.routes.items():
        method, _, path = pattern.partition(" ")
        found = re.fullmatch(path, call.path)
        if found and method == call.method:
            try:
                return handler(call, *found.groups())
            except KeyError as missing:
                return _json({"error": {"message": f"there is no {missing.args[0]}", "code": "not_found"}}, 404)
    return None


def _json(value: Any, status: int = 200, **headers: str) -> Answer:
    return status, {"content-type": "application/json", **headers}, msgspec.json.encode(value)


def _lines(values: list[Any]) -> Answer:
    return 200, {"content-type": "application/jsonl"}, b"".join(msgspec.json.encode(one) + b"\n" for one in values)


class OpenAIApi:
    """OpenAI's, Azure's and Groq's."""

    prefix = r"(?:/openai)?(?:/v1)?"
    words: ClassVar = {
        "queued": "validating",
        "running": "in_progress",
        "ended": "completed",
        "failed": "failed",
        "expired": "expired",
        "cancelled": "cancelled",
    }

    def __init__(self, desk: BatchDesk) -> None:
        self.desk = desk

    @property
    def routes(self) -> dict[str, Callable[..., Answer]]:
        """The requests that are answered, by method and pattern of the path."""
        at = self.prefix
        return {
            f"POST {at}/files": self.upload,
            f"GET {at}/files/([^/]+)/content": self.content,
            f"POST {at}/batches": self.create,
            f"GET {at}/batches/([^/]+)": self.get,
            f"POST {at}/batches/([^/]+)/cancel": self.cancel,
        }

    def asked(self, job: Job, line: dict[str, Any]) -> tuple[str, str, Any]:
        """Key, path and body of a line."""
        return line["custom_id"], line.get("url", job.endpoint), line["body"]

    def upload(self, call: BatchCall) -> Answer:
        """A file."""
        content = form_file(call.headers, call.body)
        if content is None:
            return _json({"error": {"message": "file is missing", "code": "missing_required_parameter"}}, 400)
        made = {"object": "file", "bytes": len(content), "created_at": _CREATED, "filename": "requests.jsonl"}
        return _json({"id": self.desk.upload(content), **made, "purpose": "batch", "status": "processed"})

    def create(self, call: BatchCall) -> Answer:
        """A batch of a file."""
        given = call.json
        job = self._job(given["endpoint"], given["input_file_id"])
        return _json(self.shape(job))

    def _job(self, endpoint: str, file: str, model: str = "") -> Job:
        id_ = f"batch_{len(self.desk.jobs) + 1}"
        return self.desk.create(id_, endpoint, model, self.desk.lines_of(file), file)

    def get(self, call: BatchCall, id_: str) -> Answer:
        """How far it is."""
        self.desk.look(self.desk.jobs[id_], self.asked)
        return _json(self.shape(self.desk.jobs[id_]))

    def cancel(self, call: BatchCall, id_: str) -> Answer:
        """An end."""
        self.desk.cancel(self.desk.jobs[id_], self.asked)
        return _json(self.shape(self.desk.jobs[id_]))

    def content(self, call: BatchCall, file: str) -> Answer:
        """A file of results: the answers, or the errors."""
        if file in self.desk.files:
            return 200, {"content-type": "application/jsonl"}, self.desk.files[file]
        kind, _, id_ = file.partition("-")
        answers = self.desk.jobs[id_].answers
        return _lines([self.result(one) for one in answers if one.served == (kind == "output")])

    def result(self, one: LineAnswer) -> dict[str, Any]:
        """A line of results."""
        told: dict[str, Any] = {"id": f"batch_req_{one.key}", "custom_id": one.key, "response": None, "error": None}
        if one.ending:
            words = "This request could not be executed before the completion window expired."
            told["error"] = {"code": f"batch_{one.ending}", "message": words}
        else:
            told["response"] = {"status_code": one.status, "request_id": f"req_{one.key}", "body": one.body}
        return told

    def files(self, job: Job) -> dict[str, str | None]:
        """The ids of the files of results, as far as there are any."""
        served = any(one.served for one in job.answers)
        other = any(not one.served for one in job.answers)
        return {
            "output_file_id": f"output-{job.id}" if served else None,
            "error_file_id": f"error-{job.id}" if other else None,
        }

    def shape(self, job: Job) -> dict[str, Any]:
        """The batch as it is told."""
        refused = [{"code": "invalid_json_line", "line": 1, "message": self.desk.plan.refusal, "param": None}]
        return {
            "id": job.id,
            "object": "batch",
            "endpoint": job.endpoint,
            "errors": {"object": "list", "data": refused} if job.status == "failed" else None,
            "input_file_id": job.file,
            "completion_window": "24h",
            "status": self.words[job.status],
            **self.files(job),
            "created_at": _CREATED,
            "request_counts": {
                "total": len(job.lines),
                "completed": sum(one.served for one in job.answers),
                "failed": sum(not one.served for one in job.answers),
            },
            "metadata": None,
        }


class TogetherApi(OpenAIApi):
    """Together's: an upload in three steps, words in capitals, how far it is in percent."""

    words: ClassVar = {
        "queued": "VALIDATING",
        "running": "IN_PROGRESS",
        "ended": "COMPLETED",
        "failed": "FAILED",
        "expired": "EXPIRED",
        "cancelled": "CANCELLED",
    }

    @property
    def routes(self) -> dict[str, Callable[..., Answer]]:
        at = self.prefix
        return {
            **super().routes,
            "PUT .*/uploaded/([^/]+)": self.put,
            f"POST {at}/files/([^/]+)/preprocess": self.preprocess,
        }

    def upload(self, call: BatchCall) -> Answer:
        if b'name="checksum"' not in call.body or b"batch-api" not in call.body:
            return _json({"error": {"message": "checksum and purpose are needed"}}, 400)
        file = self.desk.upload(b"")
        place = {"location": f"http://{call.host}/togetherai/uploaded/{file}?signature=s", "x-together-file-id": file}
        return 302, place, b""

    def put(self, call: BatchCall, file: str) -> Answer:
        """The bytes, at an address that proves who asks."""
        if "authorization" in call.headers:
            return _json({"error": "only one way to prove who asks is taken"}, 400)
        self.desk.files[file] = call.body
        return 200, {}, b""

    def preprocess(self, call: BatchCall, file: str) -> Answer:
        """The file is there."""
        return _json({"id": file, "object": "file", "bytes": len(self.desk.files[file]), "purpose": "batch-api"})

    def create(self, call: BatchCall) -> Answer:
        status, headers, body = super().create(call)
        return status, headers, b'{"job":' + body + b',"warning":null}'

    def shape(self, job: Job) -> dict[str, Any]:
        done = job.status not in ("queued", "running")
        return {
            "id": job.id,
            "endpoint": job.endpoint,
            "input_file_id": job.file,
            "status": self.words[job.status],
            "progress": 100.0 if done else 0.0,
            **self.files(job),
            "error": self.desk.plan.refusal if job.status == "failed" else None,
        }


class MistralApi(OpenAIApi):
    """Mistral's: jobs of several files, counts at the top."""

    words: ClassVar = {
        "queued": "QUEUED",
        "running": "RUNNING",
        "ended": "SUCCESS",
        "failed": "FAILED",
        "expired": "TIMEOUT_EXCEEDED",
        "cancelled": "CANCELLED",
    }

    @property
    def routes(self) -> dict[str, Callable[..., Answer]]:
        at = self.prefix
        return {
            f"POST {at}/files": self.upload,
            f"GET {at}/files/([^/]+)/content": self.content,
            f"POST {at}/batch/jobs": self.create,
            f"GET {at}/batch/jobs/([^/]+)": self.get,
            f"POST {at}/batch/jobs/([^/]+)/cancel": self.cancel,
        }

    def create(self, call: BatchCall) -> Answer:
        given = call.json
        return _json(self.shape(self._job(given["endpoint"], given["input_files"][0], given.get("model", ""))))

    def shape(self, job: Job) -> dict[str, Any]:
        files = self.files(job)
        return {
            "id": job.id,
            "object": "batch",
            "input_files": [job.file],
            "endpoint": job.endpoint,
            "model": job.model,
            "errors": [{"message": self.desk.plan.refusal, "count": 1}] if job.status == "failed" else [],
            "status": self.words[job.status],
            "created_at": _CREATED,
            "total_requests": len(job.lines),
            "completed_requests": len(job.answers),
            "succeeded_requests": sum(one.served for one in job.answers),
            "failed_requests": sum(not one.served for one in job.answers),
            "output_file": files["output_file_id"],
            "error_file": files["error_file_id"],
        }


class XAIApi(OpenAIApi):
    """xAI's: no status but counts, results in pages and in the shape of a chat."""

    page = 2

    @property
    def routes(self) -> dict[str, Callable[..., Answer]]:
        at = self.prefix
        return {
            f"POST {at}/files": self.upload,
            f"POST {at}/batches": self.create,
            f"GET {at}/batches/([^/:]+)": self.get,
            f"POST {at}/batches/([^/:]+):cancel": self.cancel,
            f"GET {at}/batches/([^/]+)/results": self.results,
        }

    def create(self, call: BatchCall) -> Answer:
        return _json(self.shape(self._job("", call.json["input_file_id"])))

    def results(self, call: BatchCall, id_: str) -> Answer:
        """A page."""
        answers = self.desk.jobs[id_].answers
        token = re.search(r"pagination_token=(\d+)", call.query)
        start = int(token[1]) if token else 0
        left = start + self.page < len(answers)
        items = [self.result(one) for one in answers[start : start + self.page]]
        return _json({"results": items, "pagination_token": str(start + self.page) if left else None})

    def result(self, one: LineAnswer) -> dict[str, Any]:
        told: dict[str, Any] = {"batch_request_id": one.key, "batch_result": {}}
        if one.ending:
            told["batch_result"]["error"] = {"code": 1, "message": "cancelled"}
        elif one.served:
            told["batch_result"]["response"] = {"chat_get_completion": one.body}
        else:
            error = one.body.get("error", one.body)
            words = error.get("message") if isinstance(error, dict) else str(error)
            told["batch_result"]["error"] = {"code": _GRPC.get(one.status, 2), "message": words}
            told["error_message"] = words
        return told

    def shape(self, job: Job) -> dict[str, Any]:
        served = sum(one.served for one in job.answers)
        cancelled = sum(bool(one.ending) for one in job.answers)
        return {
            "batch_id": job.id,
            "name": "requests",
            "create_time": "2026-12-01T00:00:00Z",
            "expire_time": "2026-12-08T00:00:00Z",
            "cancel_time": "2026-12-01T00:01:00Z" if job.status == "cancelled" else None,
            "state": {
                "num_requests": len(job.lines),
                "num_pending": len(job.lines) - len(job.answers),
                "num_success": served,
                "num_error": len(job.answers) - served - cancelled,
                "num_cancelled": cancelled,
            },
        }


_GRPC = {400: 3, 401: 16, 403: 7, 404: 5, 429: 8, 500: 13, 503: 14}


class OpenRouterApi(OpenAIApi):
    """OpenRouter's: lines and results inline."""

    prefix = r"(?:/api)?(?:/v1)?"

    @property
    def routes(self) -> dict[str, Callable[..., Answer]]:
        at = self.prefix
        return {
            f"POST {at}/batches": self.create,
            f"GET {at}/batches/([^/]+)": self.get,
            f"DELETE {at}/batches/([^/]+)": self.cancel,
        }

    def create(self, call: BatchCall) -> Answer:
        given = call.json
        id_ = f"batch_{len(self.desk.jobs) + 1}"
        job = self.desk.create(id_, given["endpoint"], given["model"], given["requests"])
        return _json(self.shape(job), 202)

    def shape(self, job: Job) -> dict[str, Any]:
        told = {**super().shape(job), "model": job.model, "usage": {"cost": 0.0}}
        for name in ("input_file_id", "output_file_id", "error_file_id"):
            told.pop(name)
        if job.answers:
            told["results"] = [self.result(one) for one in job.answers]
        return told


class AnthropicApi(OpenAIApi):
    """Anthropic's: lines inline, results as a file, counts that are zero until it has ended."""

    prefix = "(?:/v1)?/messages/batches"

    @property
    def routes(self) -> dict[str, Callable[..., Answer]]:
        at = self.prefix
        return {
            f"POST {at}": self.create,
            f"GET {at}/([^/]+)": self.get,
            f"POST {at}/([^/]+)/cancel": self.cancel,
            f"GET {at}/([^/]+)/results": self.results,
        }

    def asked(self, job: Job, line: dict[str, Any]) -> tuple[str, str, Any]:
        return line["custom_id"], "/v1/messages", line["params"]

    def create(self, call: BatchCall) -> Answer:
        id_ = f"msgbatch_{len(self.desk.jobs) + 1}"
        return _json(self.shape(self.desk.create(id_, "/v1/messages", "", call.json["requests"])))

    def results(self, call: BatchCall, id_: str) -> Answer:
        """All of them."""
        return _lines([self.result(one) for one in self.desk.jobs[id_].answers])

    def result(self, one: LineAnswer) -> dict[str, Any]:
        if one.ending:
            result: dict[str, Any] = {"type": {"expired": "expired", "cancelled": "canceled"}[one.ending]}
        elif one.served:
            result = {"type": "succeeded", "message": one.body}
        else:
            result = {"type": "errored", "error": {**one.body, "type": "error", "request_id": None}}
        return {"custom_id": one.key, "result": result}

    def shape(self, job: Job) -> dict[str, Any]:
        ended = job.status not in ("queued", "running")
        endings = [one.ending for one in job.answers]
        served = sum(one.served for one in job.answers)
        counts = {
            "processing": 0 if ended else len(job.lines),
            "succeeded": served,
            "errored": endings.count("") - served,
            "canceled": endings.count("cancelled"),
            "expired": endings.count("expired"),
        }
        return {
            "id": job.id,
            "type": "message_batch",
            "processing_status": "ended" if ended else "in_progress",
            "request_counts": counts,
            "created_at": "2026-12-01T00:00:00Z",
            "expires_at": "2026-12-02T00:00:00Z",
            "ended_at": "2026-12-01T01:00:00Z" if ended else None,
            "archived_at": None,
            "cancel_initiated_at": None,
            "results_url": f"https://api.anthropic.com/v1/messages/batches/{job.id}/results" if ended else None,
        }


class GeminiApi(OpenAIApi):
    """Gemini's: an operation, lines and results inline and in order."""

    prefix = "(?:/v1beta)?"

    @property
    def routes(self) -> dict[str, Callable[..., Answer]]:
        at = self.prefix
        return {
            f"POST {at}/models/([^/]+):batchGenerateContent": self.create_chat,
            f"POST {at}/models/([^/]+):asyncBatchEmbedContent": self.create_texts,
            f"GET {at}/(batches/[^/:]+)": self.get,
            f"POST {at}/(batches/[^/:]+):cancel": self.cancel_job,
        }

    def asked(self, job: Job, line: dict[str, Any]) -> tuple[str, str, Any]:
        return line["metadata"]["key"], f"/models/{job.model}:{job.endpoint}", line["request"]

    def create_chat(self, call: BatchCall, model: str) -> Answer:
        """A batch of chats."""
        return self._create(call, model, "generateContent")

    def create_texts(self, call: BatchCall, model: str) -> Answer:
        """A batch of texts to embed."""
        return self._create(call, model, "embedContent")

    def _create(self, call: BatchCall, model: str, endpoint: str) -> Answer:
        lines = call.json["batch"]["inputConfig"]["requests"]["requests"]
        id_ = f"batches/{len(self.desk.jobs) + 1}"
        return _json(self.shape(self.desk.create(id_, endpoint, model, lines)))

    def cancel_job(self, call: BatchCall, id_: str) -> Answer:
        """An end."""
        self.cancel(call, id_)
        return _json({})

    def result(self, one: LineAnswer) -> dict[str, Any]:
        told: dict[str, Any] = {"metadata": {"key": one.key}}
        if one.served:
            return {**told, "response": one.body}
        error = one.body.get("error", {}) if isinstance(one.body, dict) else {}
        code = 1 if one.ending else _GRPC.get(one.status, 2)
        return {**told, "error": {"code": code, "message": error.get("message", one.ending)}}

    def shape(self, job: Job) -> dict[str, Any]:
        state = {"queued": "PENDING", "running": "RUNNING", "ended": "SUCCEEDED"}.get(job.status, job.status.upper())
        served = sum(one.served for one in job.answers)
        told: dict[str, Any] = {
            "name": job.id,
            "metadata": {
                "@type": "type.googleapis.com/google.ai.generativelanguage.v1main.GenerateContentBatch",
                "name": job.id,
                "model": f"models/{job.model}",
                "state": f"BATCH_STATE_{state}",
                "createTime": "2026-12-01T00:00:00Z",
                "batchStats": {
                    "requestCount": str(len(job.lines)),
                    "pendingRequestCount": str(len(job.lines) - len(job.answers)),
                    "successfulRequestCount": str(served),
                    "failedRequestCount": str(len(job.answers) - served),
                },
            },
        }
        if job.status == "failed":
            told |= {"done": True, "error": {"code": 3, "message": self.desk.plan.refusal}}
        elif job.status not in ("queued", "running"):
            told |= {"done": True, **self._output(job)}
        return told

    def _output(self, job: Job) -> dict[str, Any]:
        results = [self.result(one) for one in reversed(job.answers)]
        kind = "inlinedResponses" if job.endpoint == "generateContent" else "inlinedEmbedContentResponses"
        return {"response": {kind: {"inlinedResponses": results}}}


_APIS: dict[str, type[OpenAIApi]] = {
    "openai": OpenAIApi,
    "azure": OpenAIApi,
    "groq": OpenAIApi,
    "togetherai": TogetherApi,
    "mistral": MistralApi,
    "xai": XAIApi,
    "anthropic": AnthropicApi,
    "gemini": GeminiApi,
    "openrouter": OpenRouterApi,
}

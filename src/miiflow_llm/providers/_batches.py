"""The batch APIs of the providers, a row each. What all share is OpenAI's; sources are the vendors' SDKs of 2026-12."""

from __future__ import annotations

import msgspec

from ..dialects._gemini_request import full_name
from ..dialects.mistral_chat import MISTRAL_CHAT
from ..tables import GRPC, Batch, BatchStatus, Endpoint, Outcome, Upload, no_batches, take

_of = msgspec.structs.replace

WORDS: dict[str, BatchStatus] = {
    "validating": "queued",
    "in_progress": "running",
    "finalizing": "running",
    "cancelling": "running",
    "completed": "ended",
    "failed": "failed",
    "expired": "expired",
    "cancelled": "cancelled",
}

TEXT = Endpoint(
    "/v1/embeddings",
    body={"model": take("model"), "input": take("texts"), "dimensions": take("dimensions")},
    items="data",
    value="embedding",
    tokens="usage.prompt_tokens",
)
"""One text, embedded."""

FILES = (
    Outcome(at=("output_file_id",), get="/files/{at}/content"),
    Outcome(at=("error_file_id",), get="/files/{at}/content"),
)

OPENAI_BATCHES = Batch(
    path="/batches",
    body={"input_file_id": take("file"), "endpoint": take("endpoint"), "completion_window": "24h"},
    line={"custom_id": take("key"), "method": "POST", "url": take("endpoint"), "body": take("body")},
    upload=(Upload(path="/files", form={"purpose": "batch"}, file="file", takes={"file": "id"}),),
    endpoint="/v1/chat/completions",
    embeddings=TEXT,
    words=WORDS,
    counts={
        "total": ("request_counts.total",),
        "succeeded": ("request_counts.completed",),
        "failed": ("request_counts.failed",),
    },
    refusal=("errors.data[0].message", "errors[0].message", "error.message", "error"),
    outcomes=FILES,
    endings={"batch_expired": "expired", "batch_cancelled": "cancelled"},
    max_bytes=200_000_000,
    one_model=True,
    not_yet=r"(cannot|could ?n.t|not) (find|found).*file|file.*not (be )?found|no such file",
)

RESPONSES = _of(OPENAI_BATCHES, endpoint="/v1/responses")
"""The same for the Responses format."""

GROQ = _of(OPENAI_BATCHES, embeddings=None, max_bytes=100_000_000)

TOGETHER = _of(
    OPENAI_BATCHES,
    body={"input_file_id": take("file"), "endpoint": take("endpoint")},
    line={"custom_id": take("key"), "body": take("body")},
    upload=(
        Upload(
            path="/files",
            form={
                "purpose": "batch-api",
                "file_name": "requests-{name}.jsonl",
                "file_type": "jsonl",
                "checksum": "{sha256}",
            },
            takes={"location": "header:location", "file": "header:x-together-file-id"},
            also=(302,),
            known={409: "file_id"},
        ),
        Upload(path="{location}", method="PUT", raw=True, keyless=True),
        Upload(path="/files/{file}/preprocess"),
    ),
    embeddings=None,
    id=("job.id", "id"),
    words={
        "VALIDATING": "queued",
        "IN_PROGRESS": "running",
        "COMPLETED": "ended",
        "FAILED": "failed",
        "EXPIRED": "expired",
        "CANCELLED": "cancelled",
    },
    status=("job.status", "status"),
    counts={},
    percent="progress",
    refusal=("error",),
    max_bytes=100_000_000,
)

MISTRAL = _of(
    OPENAI_BATCHES,
    path="/batch/jobs",
    get="/batch/jobs/{id}",
    cancel="/batch/jobs/{id}/cancel",
    body={
        "input_files": [take("file")],
        "endpoint": take("endpoint"),
        "model": take("model"),
        "timeout_hours": 24,
    },
    line={"custom_id": take("key"), "body": take("body")},
    embeddings=_of(MISTRAL_CHAT.embeddings, path="/v1/embeddings"),
    words={
        "QUEUED": "queued",
        "RUNNING": "running",
        "CANCELLATION_REQUESTED": "running",
        "SUCCESS": "ended",
        "FAILED": "failed",
        "TIMEOUT_EXCEEDED": "expired",
        "CANCELLED": "cancelled",
    },
    counts={"total": ("total_requests",), "succeeded": ("succeeded_requests",), "failed": ("failed_requests",)},
    refusal=("errors[0].message",),
    outcomes=(
        Outcome(at=("output_file",), get="/files/{at}/content"),
        Outcome(at=("error_file",), get="/files/{at}/content"),
        Outcome(at=("outputs",)),
    ),
    max_bytes=100_000_000,
)

XAI = Batch(
    path="/batches",
    body={"name": take("name"), "input_file_id": take("file")},
    line={"custom_id": take("key"), "method": "POST", "url": take("endpoint"), "body": take("body")},
    upload=(Upload(path="/files", file="file", takes={"file": "id"}),),
    endpoint="/v1/chat/completions",
    id=("batch_id",),
    cancel="/batches/{id}:cancel",
    status=(),
    signs={"cancel_time": "cancelled"},
    counts={
        "total": ("state.num_requests",),
        "pending": ("state.num_pending",),
        "succeeded": ("state.num_success",),
        "failed": ("state.num_error", "state.num_cancelled"),
    },
    outcomes=(
        Outcome(
            get="/batches/{id}/results?limit=100", items="results", next="pagination_token", page="pagination_token"
        ),
    ),
    key=("batch_request_id", "custom_id"),
    answer=("batch_result.response.chat_get_completion",),
    answer_status="",
    error=("batch_result.error", "error_message"),
    error_status=GRPC,
    ending=("batch_result.error.code",),
    endings={"1": "cancelled"},
)
"""Results have the shape of a chat, whatever the endpoint; there is no status but the counts."""

ANTHROPIC = Batch(
    path="/v1/messages/batches",
    body={"requests": take("requests")},
    line={"custom_id": take("key"), "params": take("body")},
    get="/v1/messages/batches/{id}",
    cancel="/v1/messages/batches/{id}/cancel",
    status=("processing_status",),
    words={"in_progress": "running", "canceling": "running", "ended": "ended"},
    counts={
        "total": tuple(
            f"request_counts.{name}" for name in ("processing", "succeeded", "errored", "canceled", "expired")
        ),
        "pending": ("request_counts.processing",),
        "succeeded": ("request_counts.succeeded",),
        "failed": tuple(f"request_counts.{name}" for name in ("errored", "canceled", "expired")),
    },
    outcomes=(Outcome(at=("results_url",), get="/v1/messages/batches/{id}/results"),),
    answer=("result.message",),
    answer_status="",
    error=("result.error",),
    ending=("result.type",),
    endings={"canceled": "cancelled", "expired": "expired"},
    max_requests=100_000,
    max_bytes=256_000_000,
    keys="[A-Za-z0-9_-]{1,64}",
)

_STATES: dict[str, BatchStatus] = {
    "QUEUED": "queued",
    "PENDING": "queued",
    "RUNNING": "running",
    "UPDATING": "running",
    "PAUSED": "running",
    "CANCELLING": "running",
    "SUCCEEDED": "ended",
    "PARTIALLY_SUCCEEDED": "ended",
    "FAILED": "failed",
    "CANCELLED": "cancelled",
    "EXPIRED": "expired",
}


def _only(texts: list[str]) -> str:
    return texts[0]


GEMINI = Batch(
    path="/models/{model}:batchGenerateContent",
    body={
        "batch": {
            "displayName": take("name"),
            "inputConfig": {"requests": {"requests": take("requests")}},
        }
    },
    line={"request": take("body"), "metadata": {"key": take("key")}},
    embeddings=Endpoint(
        body={
            "model": take("model", through=full_name),
            "content": {"parts": [{"text": take("texts", through=_only)}]},
            "outputDimensionality": take("dimensions"),
        },
        items="embedding",
        value="values",
    ),
    embeddings_path="/models/{model}:asyncBatchEmbedContent",
    id=("name",),
    get="/{id}",
    cancel="/{id}:cancel",
    status=("metadata.state", "state"),
    words={f"{kind}_STATE_{state}": meaning for kind in ("JOB", "BATCH") for state, meaning in _STATES.items()},
    counts={
        "total": ("metadata.batchStats.requestCount",),
        "pending": ("metadata.batchStats.pendingRequestCount",),
        "succeeded": ("metadata.batchStats.successfulRequestCount",),
        "failed": ("metadata.batchStats.failedRequestCount",),
    },
    refusal=("error.message", "metadata.error.message"),
    outcomes=(
        Outcome(
            at=tuple(
                f"{at}.{kind}.inlinedResponses"
                for at in ("response", "metadata.output")
                for kind in ("inlinedResponses", "inlinedEmbedContentResponses")
            )
        ),
        Outcome(at=("response.responsesFile", "metadata.output.responsesFile"), get="/{at}:download?alt=media"),
    ),
    key=("metadata.key", "key"),
    in_order=True,
    answer=("response",),
    answer_status="",
    error_status=GRPC,
    endings={"1": "cancelled"},
    max_bytes=19_000_000,
    one_model=True,
)
"""Requests go inline, below the 20 MB that are taken so; results come inline, in order."""

OPENROUTER = _of(
    OPENAI_BATCHES,
    body={
        "endpoint": take("endpoint"),
        "model": take("model"),
        "requests": take("requests"),
        "completion_window": "24h",
    },
    line={"custom_id": take("key"), "body": take("body")},
    upload=(),
    embeddings=TEXT,
    cancel="/batches/{id}",
    cancel_by="DELETE",
    outcomes=(Outcome(at=("results",)), *FILES),
    max_requests=5_000,
)

COHERE = no_batches(
    "Cohere's batches read data sets: upload one to its /v1/datasets, make a batch of it with client.request('POST', "
    "'/v2/batches', json=...), and read the data set that comes out; or ask the prompts one by one with Bulk"
)
BEDROCK = no_batches(
    "Bedrock's batches read and write S3: they need a bucket, a role that may use it, and the control plane's "
    "/model-invocation-job; make the job with AWS's tools, or ask the prompts one by one with Bulk"
)
FIREWORKS = no_batches(
    "Fireworks' batches read data sets of an account: upload one, and make the job at /v1/accounts/ACCOUNT/"
    "batchInferenceJobs; or ask the prompts one by one with Bulk"
)

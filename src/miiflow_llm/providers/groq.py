"""Groq: the OpenAI Chat format, with usage also under `x_groq` and errors that end a stream early."""

from ..dialects.openai_chat import OPENAI_CHAT
from ..wire.table import BaseUrlFrom, Provider, emit

PROVIDER = Provider(
    name="groq",
    dialect=OPENAI_CHAT,
    base_url="https://api.groq.com/openai/v1",
    docs="https://console.groq.com/docs/api-reference",
    env=("GROQ_API_KEY",),
    base_url_env=(BaseUrlFrom("GROQ_BASE_URL", "/openai/v1"), BaseUrlFrom("GROQ_API_BASE")),
    example_model="openai/gpt-oss-120b",
    more_events=(
        emit("meta", request_id="x_groq.id", row="groq_request"),
        emit(
            "usage",
            when="x_groq.usage",
            row="groq_usage",
            prompt="x_groq.usage.prompt_tokens",
            completion="x_groq.usage.completion_tokens",
            total="x_groq.usage.total_tokens",
        ),
        emit("failure", message="x_groq.error", row="groq_error"),
    ),
)

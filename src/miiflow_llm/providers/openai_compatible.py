"""Any server that speaks the OpenAI Chat format, at an address that the caller gives: llama.cpp, vLLM, LM Studio ..."""

from ..core import exceptions as error
from ..dialects.openai_chat import OPENAI_CHAT
from ..tables import BaseUrlFrom, Provider, fault

PROVIDER = Provider(
    name="openai-compatible",
    dialect=OPENAI_CHAT,
    base_url=None,
    docs="https://platform.openai.com/docs/api-reference/chat",
    env=("OPENAI_COMPATIBLE_API_KEY",),
    key="optional",
    base_url_env=(BaseUrlFrom("OPENAI_COMPATIBLE_BASE_URL"),),
    takes=tuple(OPENAI_CHAT.optional),
    finish={"abort": "error"},
    errors=(
        # llama.cpp answers 500 to requests that it will never take
        fault(error.InvalidRequestError, status=500, says="--jinja|not supported|cannot use both"),
        fault(error.ContextLengthError, status=400, says="messages is too long"),
        fault(error.ServiceUnavailableError, "abort", "unavailable_error", "InternalServerError", stands_for=503),
    ),
)

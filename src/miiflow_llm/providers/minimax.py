"""MiniMax: the OpenAI Chat format over models that always reason; errors come under a status of 200 too."""

from ..core import exceptions as error
from ..core.messages import AudioBlock, DocumentBlock, ImageBlock, ReasoningBlock, ToolResult
from ..dialects.openai_chat import OPENAI_CHAT, TEXT_RESULT
from ..tables import (
    DOCUMENTS_AS_TEXT,
    NO_AUDIO,
    BaseUrlFrom,
    Provider,
    beside,
    drop,
    emit,
    fault,
    not_offered,
    other_than,
    refused,
    take,
)

FAILED = emit(
    "failure",
    message="base_resp.status_msg",
    code="base_resp.status_code",
    where=("base_resp.status_msg", other_than("", "success")),
    row="base_resp",
)

PROVIDER = Provider(
    name="minimax",
    dialect=OPENAI_CHAT,
    base_url="https://api.minimax.io/v1",
    docs="https://platform.minimax.io/docs/api-reference/text-openai-api",
    env=("MINIMAX_API_KEY",),
    base_url_env=(BaseUrlFrom("MINIMAX_BASE_URL"), BaseUrlFrom("MINIMAX_API_BASE")),
    embeddings=not_offered("MiniMax's embeddings have a format of their own; use another provider for that"),
    example_model="MiniMax-M2.7",
    # without it the reasoning stands in the text, between tags
    body={"reasoning_split": True},
    parts={
        ImageBlock: refused("MiniMax's text models see no images; describe them in words, or use another provider"),
        DocumentBlock: DOCUMENTS_AS_TEXT,
        AudioBlock: NO_AUDIO,
        ReasoningBlock: beside(
            "reasoning_details",
            {"type": "reasoning.text", "format": "MiniMax-response-v1", "index": 0, "text": take("text")},
            own=True,
        ),
        ToolResult: TEXT_RESULT,
    },
    more_events=(FAILED,),
    more_whole=(FAILED,),
    errors=(
        fault(error.AuthenticationError, "1004", "2049", stands_for=401),
        fault(error.QuotaExceededError, "1008", "2056", stands_for=429),
        fault(error.RateLimitError, "1002", "1039", "1041", "2045", stands_for=429),
        fault(error.ContentFilterError, "1026", "1027", stands_for=400),
        fault(error.InvalidRequestError, "1042", "2013", stands_for=400),
        fault(error.ServiceUnavailableError, "1000", "1001", "1013", "1024", "1033", stands_for=500),
    ),
    drops=(
        drop(
            "reasoning",
            reason="these models always reason, and have no levels",
        ),
    ),
    structured={"": "prompt"},
)

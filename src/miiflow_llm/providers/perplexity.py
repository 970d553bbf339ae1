"""Perplexity: the OpenAI Chat format over models that search; what they found comes with the last chunk."""

from ..core import exceptions as error
from ..core.messages import AudioBlock, DocumentBlock, ImageBlock, ToolResult
from ..dialects.openai_chat import OPENAI_CHAT, TEXT_RESULT
from ..tables import (
    DOCUMENTS_AS_TEXT,
    NO_AUDIO,
    BaseUrlFrom,
    Provider,
    Turns,
    drop,
    effort,
    emit,
    fault,
    inside,
    not_offered,
    take,
)

COST = emit("usage", row="cost", cost="usage.cost.total_cost")
FOUND = emit("citation", "citations", when="choices[0].finish_reason", row="citations")

PROVIDER = Provider(
    name="perplexity",
    dialect=OPENAI_CHAT,
    base_url="https://api.perplexity.ai",
    docs="https://docs.perplexity.ai/api-reference/chat-completions-post",
    env=("PERPLEXITY_API_KEY", "PERPLEXITYAI_API_KEY", "PPLX_API_KEY"),
    base_url_env=(BaseUrlFrom("PERPLEXITY_BASE_URL"), BaseUrlFrom("PERPLEXITY_API_BASE")),
    model_list=not_offered("Perplexity lists no models; name one, as sonar or sonar-pro"),
    embeddings=not_offered("Perplexity's vectors are int8 in base64, which is not read here"),
    example_model="sonar",
    takes=("max_tokens", "top_k", "penalties", "logprobs", "parallel_tool_calls"),
    turns=Turns(alternate=True),
    body={"reasoning_effort": take("reasoning", through=effort("minimal", "low", "medium", "high"))},
    parts={
        ImageBlock: inside({"type": "image_url", "image_url": {"url": take("media.url")}}),
        DocumentBlock: DOCUMENTS_AS_TEXT,
        AudioBlock: NO_AUDIO,
        ToolResult: TEXT_RESULT,
    },
    more_events=(FOUND, COST),
    more_whole=(FOUND, COST),
    costs={"cost": 1.0},
    errors=(fault(error.ContextLengthError, "too_many_prompt_tokens", stands_for=400),),
    drops=(
        drop("json_mode", reason="there is no mode for JSON without a schema; pass a schema"),
        drop(
            "tool_choice",
            unless={"tool_choice": ("auto", "none", "required")},
            reason="a tool cannot be named here; give only the one that is wanted, and pass 'required'",
        ),
    ),
)

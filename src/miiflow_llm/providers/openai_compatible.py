"""Any server that speaks a known format at an address that the caller gives: llama.cpp, vLLM, LM Studio ...

Schemas go as they are: such servers hold an answer to all of one by a grammar. A budget of reasoning goes under the
names that llama.cpp (`thinking_budget_tokens`) and vLLM (`thinking_token_budget`) have for it.
"""

from ..core import exceptions as error
from ..core.messages import ImageBlock
from ..dialects.anthropic_messages import ANTHROPIC_MESSAGES
from ..dialects.openai_chat import FUNCTION, IMAGES, OPENAI_CHAT, tools
from ..dialects.openai_responses import INPUT_TOKENS, OPENAI_RESPONSES
from ..tables import Also, BaseUrlFrom, Continuation, Endpoint, Provider, Rows, Turns, exact_budget, fault, take

BUDGET = take("reasoning", through=exact_budget)
WITH_STRICT = {**FUNCTION, "function": {**FUNCTION["function"], "strict": take("strict")}}
COUNT = ANTHROPIC_MESSAGES.token_count

PROVIDER = Provider(
    name="openai-compatible",
    dialect=OPENAI_CHAT,
    base_url=None,
    docs="https://platform.openai.com/docs/api-reference/chat",
    env=("OPENAI_COMPATIBLE_API_KEY",),
    key="optional",
    base_url_env=(BaseUrlFrom("OPENAI_COMPATIBLE_BASE_URL"),),
    shared=Rows(
        # what a server can open is its own affair; drawings (SVG) none can
        media={ImageBlock: (*IMAGES, "image/bmp", "image/tiff", "image/avif", "image/heic", "image/heif")},
        errors=(
            # llama.cpp answers 500 to requests that it will never take
            fault(error.InvalidRequestError, status=500, says="--jinja|not supported|cannot use both"),
            fault(error.ContextLengthError, status=400, says="messages is too long"),
            fault(error.ServiceUnavailableError, "abort", "unavailable_error", "InternalServerError", stands_for=503),
        ),
    ),
    # templates of models refuse two of a role in a row, and a system message that is not the first
    turns=Turns(alternate=True, one_system=True, call_ids=OPENAI_CHAT.turns.call_ids),
    takes=tuple(bundle for bundle in OPENAI_CHAT.optional if not bundle.startswith("strict_")),
    body={
        "tools": tools(WITH_STRICT, take("payload")),
        "thinking_budget_tokens": BUDGET,
        "thinking_token_budget": BUDGET,
    },
    finish={"abort": "error"},
    continues={
        "": Continuation(
            body={"continue_final_message": True, "add_generation_prompt": False},
            unproven="vLLM and SGLang take these fields, llama.cpp needs none; other servers may begin a new answer",
        )
    },
    also=(
        Also(
            dialect=OPENAI_RESPONSES,
            takes=tuple(bundle for bundle in OPENAI_RESPONSES.optional if not bundle.startswith("strict_")),
            body={"thinking_budget_tokens": BUDGET},
            token_count=INPUT_TOKENS,
        ),
        # the base URL ends in /v1 here, as it does for the other formats
        Also(
            dialect=ANTHROPIC_MESSAGES,
            path="/messages",
            model_list=OPENAI_CHAT.model_list,
            embeddings=OPENAI_CHAT.embeddings,
            token_count=Endpoint("/messages/count_tokens", body=COUNT.body, tokens=COUNT.tokens),
        ),
    ),
)

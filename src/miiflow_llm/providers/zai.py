"""Z.ai: the GLM models over the OpenAI Chat format, with thinking that is switched on and off."""

from ..core import exceptions as error
from ..core.messages import AudioBlock, DocumentBlock, ReasoningBlock, ToolResult
from ..dialects.openai_chat import FUNCTION, OPENAI_CHAT, TEXT_RESULT, tools
from ..tables import (
    DOCUMENTS_AS_TEXT,
    NO_AUDIO,
    BaseUrlFrom,
    Provider,
    always_on,
    by_model,
    drop,
    effort,
    fault,
    is_on,
    joined,
    not_offered,
    take,
    when,
)

ALWAYS = r"glm-5\.3"
NEVER = r"glm-(3|4-|4(?!\.[5-9])|z1)|cog|codegeex|charglm"
LEVELS = take("reasoning", through=effort("minimal", "low", "medium", "high", "xhigh", "max", off="none"))
SWITCH = {True: "enabled", False: "disabled"}

PROVIDER = Provider(
    name="zai",
    dialect=OPENAI_CHAT,
    base_url="https://api.z.ai/api/paas/v4",
    docs="https://docs.z.ai/api-reference/llm/chat-completion",
    env=("ZAI_API_KEY", "Z_AI_API_KEY"),
    base_url_env=(BaseUrlFrom("ZAI_BASE_URL"), BaseUrlFrom("ZAI_API_BASE")),
    model_list=not_offered("Z.ai lists no models; name one, as glm-5.3 or glm-4.7-flash"),
    embeddings=not_offered("Z.ai embeds no texts here; use another provider for that"),
    example_model="glm-4.7-flash",
    takes=("max_tokens", "seed"),
    body={
        "tools": tools(FUNCTION, take("payload")),
        "thinking": {
            "type": by_model(
                {
                    NEVER: None,
                    ALWAYS: take("reasoning", through=always_on, values=SWITCH),
                    "": take("reasoning", through=is_on, values=SWITCH),
                }
            )
        },
        "reasoning_effort": by_model(
            {ALWAYS: take("reasoning", through=effort("low", "high", "max")), r"glm-5\.2": LEVELS}
        ),
        "response_format": when("json_mode", {"type": "json_object"}),
        "user_id": take("user"),
    },
    parts={
        DocumentBlock: DOCUMENTS_AS_TEXT,
        AudioBlock: NO_AUDIO,
        ReasoningBlock: joined("reasoning_content", take("text"), own=True),
        ToolResult: TEXT_RESULT,
    },
    finish={
        "sensitive": "content_filter",
        "model_context_window_exceeded": "length",
        "network_error": "error",
    },
    errors=(
        fault(error.AuthenticationError, "1000", "1001", "1002", "1003", "1004", stands_for=401),
        fault(error.QuotaExceededError, "1113", "1308", "1309", stands_for=429),
        fault(error.RateLimitError, "1302", "1303", "1304", "1305", "1313", stands_for=429),
        fault(error.ModelNotFoundError, "1211", stands_for=404),
        fault(error.PermissionDeniedError, "1220", stands_for=403),
        fault(error.ContextLengthError, "1261", stands_for=400),
        fault(error.ContentFilterError, "1301", stands_for=400),
        fault(error.InvalidRequestError, "1210", "1213", "1214", stands_for=400),
        fault(error.ServiceUnavailableError, "500", "1230", "1234", "network_error", stands_for=500),
    ),
    drops=(
        drop(
            "reasoning",
            models=NEVER,
            unless={"reasoning": ("off", 0)},
            reason="this model does not think; choose one that does, as glm-4.7-flash",
        ),
    ),
    structured={"": "prompt"},
)

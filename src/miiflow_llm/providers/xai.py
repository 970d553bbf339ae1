"""xAI: Grok over the OpenAI Chat format, with errors of its own shape, some under a status of 200."""

from ..core import exceptions as error
from ..core.messages import AudioBlock, DocumentBlock
from ..dialects._effort import effort
from ..dialects.openai_chat import OPENAI_CHAT
from ..wire.table import BaseUrlFrom, Provider, by_model, drop, emit, fault, refused, take

CITATIONS = emit("citation", "citations", row="citations")

PROVIDER = Provider(
    name="xai",
    dialect=OPENAI_CHAT,
    base_url="https://api.x.ai/v1",
    docs="https://docs.x.ai/docs/api-reference",
    env=("XAI_API_KEY", "GROK_API_KEY"),
    base_url_env=(BaseUrlFrom("XAI_BASE_URL"), BaseUrlFrom("XAI_API_BASE")),
    example_model="grok-4.6",
    body={
        "reasoning_effort": by_model(
            {
                "grok-3-mini": take("reasoning", through=effort("low", "high", off="none")),
                r"grok-4\.3|grok-latest": take("reasoning", through=effort("low", "medium", "high", off="none")),
                r"grok-4\.5": take("reasoning", through=effort("low", "medium", "high")),
                "": take("reasoning", through=effort("low", "medium", "high", "xhigh")),
            }
        ),
    },
    message={"name": None},
    parts={
        DocumentBlock: refused("xAI takes no documents in a chat; use dialect='openai_responses', or send their text"),
        AudioBlock: refused("xAI takes no audio; send a transcript as text"),
    },
    more_events=(CITATIONS,),
    more_whole=(CITATIONS,),
    errors=(
        fault(error.AuthenticationError, says="^Incorrect API key provided", stands_for=400),
        fault(error.ModelNotFoundError, says="^Model not found", stands_for=400),
        fault(error.ServiceUnavailableError, "The service is currently unavailable", stands_for=503),
        fault(error.QuotaExceededError, status=403, says="credits|spending limit"),
    ),
    drops=(
        drop(
            "stop",
            "presence_penalty",
            "frequency_penalty",
            models=r"grok-(4|3-mini|latest|code|build)",
            reason="Grok's reasoning models refuse it; say in the prompt where to stop",
        ),
        drop(
            "logprobs",
            "top_logprobs",
            models=r"grok-(4\.([2-9]\d|[3-9])|latest|build)",
            reason="ignored from grok-4.20 on",
        ),
        drop(
            "reasoning",
            models=r"grok-4(\.20.*-(non-)?reasoning|\.1|-|$)|grok-(3(?!-mini)|code|2)",
            reason="this model has no levels; choose another, as grok-4.6 or grok-4.20-non-reasoning",
        ),
        drop(
            "tool_choice",
            beside="schema",
            unless={"tool_choice": ("auto", "none")},
            reason="with a schema xAI answers in it and drops the call; make two calls",
        ),
    ),
)

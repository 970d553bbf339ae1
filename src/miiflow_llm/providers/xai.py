"""xAI: Grok over OpenAI's two formats, with errors of its own shape, some under a status of 200."""

from ..core import exceptions as error
from ..core.messages import AudioBlock, DocumentBlock
from ..dialects.openai_chat import OPENAI_CHAT
from ..dialects.openai_responses import LOGPROBS, OPENAI_RESPONSES
from ..tables import (
    Also,
    BaseUrlFrom,
    Provider,
    Rows,
    by_model,
    const,
    drop,
    emit,
    fault,
    first,
    inside,
    json,
    no_batches,
    not_offered,
    other_than,
    position,
    refused,
    take,
)
from ..tables.media_parts import linked, text_or
from ..tables.reasoning import effort
from ._batches import XAI

CITATIONS = emit("citation", "citations", row="citations")

NEVER_REASONS = ".*-non-reasoning|grok-(2|3(?!-mini))"

EFFORT = by_model(
    {
        NEVER_REASONS: None,
        "grok-3-mini": take("reasoning", through=effort("low", "high", off="none")),
        r"grok-4\.3|grok-latest": take("reasoning", through=effort("low", "medium", "high", off="none")),
        r"grok-4\.5": take("reasoning", through=effort("low", "medium", "high")),
        "": take("reasoning", through=effort("low", "medium", "high", "xhigh")),
    }
)

ERRORS = (
    fault(error.AuthenticationError, says="^Incorrect API key provided", stands_for=400),
    fault(error.ModelNotFoundError, says="^Model not found", stands_for=400),
    fault(error.ServiceUnavailableError, "The service is currently unavailable", stands_for=503),
    fault(error.QuotaExceededError, status=403, says="credits|spending limit"),
)

DROPS = (
    drop(
        "logprobs",
        "top_logprobs",
        models=r"grok-(4\.([2-9]\d|[3-9])|latest|build)",
        reason="ignored from grok-4.20 on",
    ),
    drop(
        "reasoning",
        models=NEVER_REASONS,
        unless={"reasoning": ("off", 0)},
        reason="this model does not reason; choose one that does, as grok-4.6",
    ),
    drop(
        "reasoning",
        models=rf"(?!{NEVER_REASONS})(grok-4(\.20.*-reasoning|\.1|-|$)|grok-code)",
        reason="this model has no levels; choose another, as grok-4.6 or grok-4.20-non-reasoning",
    ),
    *(
        drop(
            "tool_choice",
            beside=form,
            unless={"tool_choice": ("auto", "none")},
            reason="asked for JSON too, xAI answers in it and drops the call; make two calls",
        )
        for form in ("schema", "json_mode")
    ),
)

KINDS = other_than("message", "reasoning", "function_call")
"""Custom tool calls are those of the server's own tools here."""

OWN_ITEM = emit(
    "opaque",
    json("."),
    block=position(),
    id="id",
    again=const(True),
    where=("type", KINDS),
    row="opaque_item",
)

AT_WORK = emit(
    "progress",
    "output_index",
    on=(
        "response.custom_tool_call_input.delta",
        "response.x_search_call.in_progress",
        "response.x_search_call.searching",
        "response.x_search_call.completed",
        "response.code_execution_call.in_progress",
        "response.code_execution_call.completed",
        "response.mcp_call.executing",
        "response.mcp_call_output.delta",
    ),
    row="own_tools_at_work",
)

COST = emit("usage", row="cost", ticks="usage.cost_in_usd_ticks")
"""In ticks: 10^10 are one dollar."""

PROVIDER = Provider(
    name="xai",
    dialect=OPENAI_CHAT,
    base_url="https://api.x.ai/v1",
    docs="https://docs.x.ai/docs/api-reference",
    env=("XAI_API_KEY", "GROK_API_KEY"),
    base_url_env=(BaseUrlFrom("XAI_BASE_URL"), BaseUrlFrom("XAI_API_BASE")),
    example_model="grok-4.6",
    batch=XAI,
    shared=Rows(
        parts={AudioBlock: refused("xAI takes no audio; send a transcript as text")},
        errors=ERRORS,
        drops=DROPS,
        costs={"ticks": 1e-10},
        embeddings=not_offered("xAI embeds no texts; use another provider for that"),
    ),
    takes=("seed", "penalties", "strict_schema", "logprobs", "parallel_tool_calls", "service_tier", "user"),
    body={"reasoning_effort": EFFORT},
    message={"name": None},
    parts={
        DocumentBlock: text_or(
            refused("xAI takes no documents in a chat; use dialect='openai_responses', or send their text")
        ),
    },
    more_events=(CITATIONS, COST),
    more_whole=(CITATIONS, COST),
    drops=(
        drop(
            "stop",
            "presence_penalty",
            "frequency_penalty",
            models=r"grok-(4|3-mini|latest|code|build)",
            reason="Grok's reasoning models refuse it; say in the prompt where to stop",
        ),
    ),
    also=(
        Also(
            dialect=OPENAI_RESPONSES,
            batch=no_batches("xAI answers batches in the chat format; leave out dialect"),
            takes=(
                "strict_schema",
                "strict_tools",
                "top_k",
                "seed",
                "logprobs",
                "parallel_tool_calls",
                "service_tier",
                "user",
            ),
            body={
                "reasoning": {"effort": EFFORT},
                "include": [
                    by_model({r"grok-(2|3)|.*-non-reasoning": None, "": "reasoning.encrypted_content"}),
                    LOGPROBS,
                ],
            },
            parts={
                DocumentBlock: text_or(
                    inside({"type": "input_file", "file_url": take("media", through=linked)}), "input_text"
                ),
            },
            events={
                "custom_tool_call_start": None,
                "custom_tool_call_done": None,
                "custom_tool_call": None,
                "custom_input": None,
                "custom_input_done": None,
                "opaque": emit(
                    "opaque",
                    json("item"),
                    block=first("output_index", "item.id"),
                    id="item.id",
                    where=("item.type", KINDS),
                    on="response.output_item.done",
                ),
                "opaque_item": OWN_ITEM,
            },
            whole={"custom_tool_call": None, "opaque_item": OWN_ITEM},
            more_events=(AT_WORK, emit("usage", row="cost", ticks="response.usage.cost_in_usd_ticks")),
            more_whole=(COST,),
            ignored=("response.mcp_call_output.done", "response.custom_tool_call_input.done"),
        ),
    ),
)

"""OpenAI: Chat Completions, and Responses for the model families that need it."""

from __future__ import annotations

from typing import Any

import msgspec

from ..core.exceptions import UnsupportedParameterError
from ..core.messages import AudioBlock, DocumentBlock, ImageBlock, TextBlock, ToolCall
from ..dialects.openai_chat import CALL, OPENAI_CHAT
from ..dialects.openai_responses import INPUT_TOKENS, OPENAI_RESPONSES
from ..tables import (
    Also,
    BaseUrlFrom,
    Place,
    PlaceBy,
    Provider,
    Rows,
    When,
    beside,
    by_model,
    inside,
    says_json,
    take,
    when,
)
from ..tables.cache_marks import lifetime
from ..tables.media import Media
from ..tables.media_parts import file_name, text_or
from ._batches import OPENAI_BATCHES, RESPONSES
from ._openai_models import (
    CHAT_DROPS,
    CHAT_TAKES,
    DROPS,
    RESPONSES_BODY,
    RESPONSES_ONLY,
    RESPONSES_TAKES,
    STRUCTURED,
    efforts,
)

BREAKPOINT = {"mode": "explicit", "ttl": take("cache", through=lifetime("30m", "12h"))}
MARK = {"prompt_cache_breakpoint": when("cache", by_model({r"gpt-(5\.[6-9]|[6-9])": BREAKPOINT}))}
"""Where the prompt is to be cached; before gpt-5.6 it is cached without being asked."""


CUSTOM_CALL = {"id": take("id"), "type": "custom", "custom": {"name": take("name"), "input": take("arguments")}}


def marked(place: Place | PlaceBy) -> Place | PlaceBy:
    """The place, with a mark for the cache in its part if the block asks for one."""
    if isinstance(place, PlaceBy):
        return PlaceBy(place.name, {value: _marked(one) for value, one in place.places.items()})
    return _marked(place)


def _marked(place: Place) -> Place:
    if place.where != "inside":
        return place
    return msgspec.structs.replace(place, template=_with_mark(place.template))


def _with_mark(template: Any) -> Any:
    if isinstance(template, When):
        return When(template.name, _with_mark(template.template), _with_mark(template.otherwise))
    return {**template, **MARK}


def embedded(media: Media) -> str:
    """The data URL of a document, for wires that fetch none.

    Raises:
        UnsupportedParameterError: it is a link.
    """
    if media.link:
        raise UnsupportedParameterError(
            "a document by URL is not taken here: send its bytes (DocumentBlock.from_bytes, or miiflow_llm.inline), or "
            "use dialect='openai_responses'",
            parameter="DocumentBlock",
        )
    return media.url


PROVIDER = Provider(
    name="openai",
    dialect=OPENAI_CHAT,
    base_url="https://api.openai.com/v1",
    docs="https://platform.openai.com/docs/api-reference",
    env=("OPENAI_API_KEY",),
    base_url_env=(BaseUrlFrom("OPENAI_BASE_URL"), BaseUrlFrom("OPENAI_API_BASE")),
    headers_env={"openai-organization": ("OPENAI_ORG_ID",), "openai-project": ("OPENAI_PROJECT_ID",)},
    example_model="gpt-6-luna",
    batch=OPENAI_BATCHES,
    shared=Rows(prepare=(says_json,), media={AudioBlock: ("audio/wav", "audio/mp3")}, structured=STRUCTURED),
    takes=CHAT_TAKES,
    body={"reasoning_effort": efforts(), "safety_identifier": take("user")},
    parts={
        ToolCall: beside("tool_calls", when("custom", CUSTOM_CALL, CALL)),
        TextBlock: marked(OPENAI_CHAT.parts[TextBlock]),
        ImageBlock: marked(OPENAI_CHAT.parts[ImageBlock]),
        DocumentBlock: marked(
            text_or(
                inside(
                    {
                        "type": "file",
                        "file": when(
                            "file_id",
                            {"file_id": take("file_id")},
                            {
                                "filename": take("filename", default=take("media", through=file_name)),
                                "file_data": take("media", through=embedded),
                            },
                        ),
                    }
                )
            )
        ),
    },
    drops=CHAT_DROPS,
    also=(
        Also(
            dialect=OPENAI_RESPONSES,
            batch=RESPONSES,
            models=RESPONSES_ONLY,
            takes=RESPONSES_TAKES,
            body=RESPONSES_BODY,
            parts={
                TextBlock: marked(OPENAI_RESPONSES.parts[TextBlock]),
                ImageBlock: marked(OPENAI_RESPONSES.parts[ImageBlock]),
                DocumentBlock: marked(OPENAI_RESPONSES.parts[DocumentBlock]),
            },
            drops=DROPS,
            token_count=INPUT_TOKENS,
        ),
    ),
)

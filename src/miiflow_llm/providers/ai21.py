"""AI21: the Jamba models over a part of the OpenAI Chat format, where content is always a string."""

from ..core import exceptions as error
from ..core.messages import AudioBlock, DocumentBlock, ImageBlock, ReasoningBlock, TextBlock, ToolResult
from ..dialects.openai_chat import OPENAI_CHAT
from ..tables import (
    BaseUrlFrom,
    Provider,
    apart,
    by_value,
    drop,
    fault,
    joined,
    left_out,
    not_offered,
    refused,
    take,
    when,
)
from ..tables.media_parts import document_text
from ..tables.tool_parts import choose_by_tools

TEXT = joined("content", take("text"))
WORDS = joined("content", take("media", through=document_text))

PROVIDER = Provider(
    name="ai21",
    dialect=OPENAI_CHAT,
    prepare=(choose_by_tools,),
    base_url="https://api.ai21.com/studio/v1",
    docs="https://docs.ai21.com/reference/jamba-1-6-api-ref",
    env=("AI21_API_KEY",),
    base_url_env=(BaseUrlFrom("AI21_API_HOST", "/studio/v1"),),
    model_list=not_offered("AI21 lists no models; name one, as jamba-large or jamba-mini"),
    embeddings=not_offered("AI21 embeds no texts; use another provider for that"),
    example_model="jamba-mini",
    takes=("max_tokens",),
    body={
        "tool_choice": None,
        "reasoning_effort": take("reasoning", values={"off": None, 0: None}),
        "response_format": when("json_mode", {"type": "json_object"}),
        "stream_options": None,
    },
    parts={
        TextBlock: TEXT,
        ImageBlock: refused("AI21 takes no images; describe them in words, or use another provider"),
        DocumentBlock: by_value(
            "document_type",
            {"text": WORDS, "txt": WORDS, ...: refused("AI21 takes no documents; send their text")},
        ),
        AudioBlock: refused("AI21 takes no audio; send a transcript as text"),
        ReasoningBlock: left_out(),
        ToolResult: apart({"role": "tool", "tool_call_id": take("id"), "content": take("text")}),
    },
    errors=(fault(error.ServiceUnavailableError, status=424, retry=True),),
    drops=(
        drop("tool_choice", reason="AI21 has no such field; give only the tool that is wanted, and say so"),
        drop("reasoning", unless={"reasoning": ("off", 0)}, reason="the Jamba models do not reason"),
    ),
    structured={"": "prompt"},
)

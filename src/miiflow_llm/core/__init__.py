"""The vocabulary: plain structs and exceptions. It imports nothing of ours from above."""

from .messages import (
    AudioBlock,
    Block,
    DocumentBlock,
    ImageBlock,
    Message,
    OpaqueBlock,
    ReasoningBlock,
    TextBlock,
    ToolCall,
    ToolResult,
)
from .response import Attempt, ChatResponse, Embeddings, ModelInfo, RateLimit, StreamChunk, ToolCallDelta
from .timeout import Timeout
from .usage import TokenCount

__all__ = [
    "Attempt",
    "AudioBlock",
    "Block",
    "ChatResponse",
    "DocumentBlock",
    "Embeddings",
    "ImageBlock",
    "Message",
    "ModelInfo",
    "OpaqueBlock",
    "RateLimit",
    "ReasoningBlock",
    "StreamChunk",
    "TextBlock",
    "Timeout",
    "TokenCount",
    "ToolCall",
    "ToolCallDelta",
    "ToolResult",
]

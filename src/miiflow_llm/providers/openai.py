"""OpenAI: Chat Completions, and Responses for the model families that need it."""

from ..dialects.openai_chat import OPENAI_CHAT
from ..wire.table import BaseUrlFrom, Provider

PROVIDER = Provider(
    name="openai",
    dialect=OPENAI_CHAT,
    base_url="https://api.openai.com/v1",
    docs="https://platform.openai.com/docs/api-reference",
    env=("OPENAI_API_KEY",),
    base_url_env=(BaseUrlFrom("OPENAI_BASE_URL"), BaseUrlFrom("OPENAI_API_BASE")),
    example_model="gpt-6-luna",
)

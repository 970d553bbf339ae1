"""Mistral: its own chat format."""

from ..dialects.mistral_chat import MISTRAL_CHAT
from ..tables import BaseUrlFrom, Provider
from ._batches import MISTRAL

PROVIDER = Provider(
    name="mistral",
    dialect=MISTRAL_CHAT,
    base_url="https://api.mistral.ai/v1",
    docs="https://docs.mistral.ai/api",
    env=("MISTRAL_API_KEY",),
    base_url_env=(BaseUrlFrom("MISTRAL_BASE_URL"), BaseUrlFrom("MISTRAL_API_BASE")),
    example_model="mistral-small-latest",
    batch=MISTRAL,
)

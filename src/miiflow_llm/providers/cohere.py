"""Cohere: its own chat format, version 2."""

from ..dialects.cohere_v2 import COHERE_V2
from ..tables import BaseUrlFrom, Provider
from ._batches import COHERE

PROVIDER = Provider(
    name="cohere",
    dialect=COHERE_V2,
    base_url="https://api.cohere.com",
    docs="https://docs.cohere.com/reference/chat",
    env=("CO_API_KEY", "COHERE_API_KEY"),
    base_url_env=(BaseUrlFrom("CO_API_URL"),),
    example_model="command-a-03-2025",
    batch=COHERE,
)

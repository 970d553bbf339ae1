"""What providers and kinds of tokens are called in genai-prices, as rows."""

from __future__ import annotations

from typing import Final

GENAI_PRICES: Final = "genai-prices"
"""The name of that table, as `prices=` takes it and `Cost.source` says it."""

PROVIDERS: Final = {
    "bedrock": "aws",
    "gemini": "google",
    "moonshot": "moonshotai",
    "togetherai": "together",
    "xai": "x-ai",
}
"""The names there of providers that have another one here."""

RATES: Final = {
    "input_mtok": ("input", 1),
    "output_mtok": ("output", 1),
    "cache_read_mtok": ("cache_read", 1),
    "cache_write_mtok": ("cache_write", 1),
    "cache_write_1h_mtok": ("cache_write_1h", 1),
    "input_audio_mtok": ("audio_input", 1),
    "output_audio_mtok": ("audio_output", 1),
    "output_reasoning_mtok": ("reasoning", 1),
    "web_searches_kcount": ("search", 1000),
    "requests_kcount": ("request", 1000),
}
"""Its prices, each with the rate of `Price` and by what it is divided."""

SERVICES: Final = (
    ("flex", {"service_tier": "flex"}),
    ("priority", {"service_tier": "priority"}),
    ("fast", {"service_tier": "fast"}),
    ("fast", {"speed": "fast"}),
    ("batch", {"processing": "batch"}),
)
"""The services of `Price`, each with the context that its rates have there."""

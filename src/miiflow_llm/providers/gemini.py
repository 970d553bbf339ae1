"""Google's Gemini API."""

from ..dialects.gemini_generate import GEMINI_GENERATE
from ..tables import Auth, BaseUrlFrom, Provider, drop
from ._batches import GEMINI

PROVIDER = Provider(
    name="gemini",
    dialect=GEMINI_GENERATE,
    base_url="https://generativelanguage.googleapis.com/v1beta",
    docs="https://ai.google.dev/gemini-api/docs",
    env=("GOOGLE_API_KEY", "GEMINI_API_KEY", "GOOGLE_GENERATIVE_AI_API_KEY"),
    auth=Auth(header="x-goog-api-key", prefix=""),
    base_url_env=(BaseUrlFrom("GOOGLE_GEMINI_BASE_URL", "/v1beta"),),
    example_model="gemini-3.8-flash",
    batch=GEMINI,
    drops=(
        drop(
            "presence_penalty",
            "frequency_penalty",
            models=r"gemini-2\.5",
            reason="Gemini 2.5 refuses penalties here; Vertex takes them",
        ),
    ),
)

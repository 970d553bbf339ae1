"""Anthropic: the Messages API."""

from ..dialects.anthropic_messages import ANTHROPIC_MESSAGES
from ..tables import Auth, BaseUrlFrom, Provider
from ._batches import ANTHROPIC

PROVIDER = Provider(
    name="anthropic",
    dialect=ANTHROPIC_MESSAGES,
    base_url="https://api.anthropic.com",
    docs="https://platform.claude.com/docs/en/api",
    env=("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"),
    auth=Auth(header="x-api-key", prefix=""),
    auth_env={"ANTHROPIC_AUTH_TOKEN": Auth()},
    base_url_env=(BaseUrlFrom("ANTHROPIC_BASE_URL"),),
    example_model="claude-haiku-5-5",
    batch=ANTHROPIC,
)

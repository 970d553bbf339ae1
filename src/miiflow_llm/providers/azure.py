"""Azure OpenAI and Foundry: OpenAI's formats at a resource's own address. A model is named as its deployment is.

What depends on a model's family is known by the name, so a deployment is best named after its model.
"""

from ..core import exceptions as error
from ..core.messages import AudioBlock, DocumentBlock
from ..dialects.openai_chat import OPENAI_CHAT
from ..dialects.openai_responses import OPENAI_RESPONSES
from ..tables import Also, Auth, BaseUrlFrom, Provider, ResponseHeaders, Rows, fault, refused, says_json
from ..tables.media_parts import text_or
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


def at_resource(name: str) -> str:
    """The address of the resource of that name."""
    return f"https://{name.strip()}.openai.azure.com"


PROVIDER = Provider(
    name="azure",
    dialect=OPENAI_CHAT,
    base_url=None,
    docs="https://learn.microsoft.com/azure/ai-foundry/openai/latest",
    env=("AZURE_OPENAI_API_KEY", "AZURE_API_KEY", "AZURE_OPENAI_AD_TOKEN", "AZURE_AD_TOKEN"),
    auth=Auth("api-key", ""),
    auth_env={"AZURE_OPENAI_AD_TOKEN": Auth(), "AZURE_AD_TOKEN": Auth()},
    base_url_env=(
        BaseUrlFrom("AZURE_OPENAI_ENDPOINT", "/openai/v1"),
        BaseUrlFrom("AZURE_API_BASE", "/openai/v1"),
        BaseUrlFrom("AZURE_RESOURCE_NAME", "/openai/v1", through=at_resource),
    ),
    example_model="gpt-6-luna",
    batch=OPENAI_BATCHES,
    shared=Rows(
        prepare=(says_json,),
        media={AudioBlock: ("audio/wav", "audio/mp3")},
        errors=(
            fault(error.ModelNotFoundError, "DeploymentNotFound", status=404),
            fault(error.PermissionDeniedError, "PermissionDenied"),
            fault(error.RateLimitError, "RateLimitReached", "429", stands_for=429),
            fault(error.ServiceUnavailableError, status=424, retry=True),
        ),
        structured=STRUCTURED,
        response_headers=ResponseHeaders(
            request_id=("apim-request-id", "x-request-id", "x-ms-request-id"),
            limits=OPENAI_CHAT.response_headers.limits,
        ),
    ),
    takes=(*CHAT_TAKES, "user"),
    body={"reasoning_effort": efforts()},
    parts={
        DocumentBlock: text_or(refused("Azure takes documents only in Responses; pass dialect='openai_responses'")),
    },
    drops=CHAT_DROPS,
    also=(
        Also(
            dialect=OPENAI_RESPONSES,
            batch=RESPONSES,
            models=RESPONSES_ONLY,
            takes=RESPONSES_TAKES,
            body=RESPONSES_BODY,
            drops=DROPS,
        ),
    ),
)

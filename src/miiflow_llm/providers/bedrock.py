"""AWS Bedrock: the models of many makers in one format, for an API key of its own or requests signed with AWS keys."""

import re
from functools import partial

from ..core.exceptions import ConfigurationError
from ..dialects.bedrock_converse import BEDROCK_CONVERSE
from ..tables import BaseUrlFrom, Provider, Regions, Signing
from ._batches import BEDROCK
from ._sigv4 import ALGORITHM, signed

DOMAINS = {
    "cn-": "amazonaws.com.cn",
    "eusc-": "amazonaws.eu",
    "us-iso-": "c2s.ic.gov",
    "us-isob-": "sc2s.sgov.gov",
    "us-isof-": "csp.hci.ic.gov",
    "eu-isoe-": "cloud.adc-e.uk",
    "": "amazonaws.com",
}
"""The domain of the regions whose names begin so."""


def in_region(region: str) -> str:
    """The address in a region.

    Raises:
        ConfigurationError: that is not a region's name.
    """
    if not re.fullmatch(r"[a-z]{2,4}(-[a-z]+)+-\d+", region):
        raise ConfigurationError(f"bedrock: region={region!r} is not a region; give one such as us-east-1")
    domain = next(domain for start, domain in DOMAINS.items() if region.startswith(start))
    return f"https://bedrock-runtime.{region}.{domain}"


PROVIDER = Provider(
    name="bedrock",
    dialect=BEDROCK_CONVERSE,
    base_url=None,
    docs="https://docs.aws.amazon.com/bedrock/latest/userguide/conversation-inference.html",
    env=("AWS_BEARER_TOKEN_BEDROCK",),
    base_url_env=(BaseUrlFrom("AWS_ENDPOINT_URL_BEDROCK_RUNTIME"), BaseUrlFrom("AWS_ENDPOINT_URL")),
    regions=Regions(in_region, ("AWS_REGION", "AWS_DEFAULT_REGION")),
    sign=Signing(
        partial(signed, service="bedrock"),
        ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"),
        f"{ALGORITHM} ",
    ),
    example_model="us.anthropic.claude-haiku-4-5-20251001-v1:0",
    batch=BEDROCK,
)

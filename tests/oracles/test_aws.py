"""AWS's own signatures, addresses and messages, by botocore: what we sign, name and cut is what it does."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from miiflow_llm import AccessKey
from miiflow_llm.providers._sigv4 import signed
from miiflow_llm.providers.bedrock import in_region
from miiflow_llm.replay.capture import Capture
from miiflow_llm.tables import UnsignedRequest
from miiflow_llm.wire.decode.eventstream import EventStreamFramer

from ..captured import own

pytest.importorskip("botocore")

MOMENT = datetime(2026, 11, 24, 16, 5, 9, tzinfo=UTC)
KEYS = [AccessKey("AKIDEXAMPLE", "secret/+"), AccessKey("AKIDEXAMPLE", "secret/+", "token/of+a=session")]
MODELS = [
    "m",
    "us.anthropic.claude-haiku-4-5-20251001-v1%3A0",
    "arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Aapplication-inference-profile%2F1arbu5hu2sjr",
    "a%20b~c%C3%A9",
]


@pytest.mark.parametrize("query", ["", "?b=2&a=1&a=0", "?a"])
@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("key", KEYS, ids=["key", "session"])
def test_signatures(key: AccessKey, model: str, query: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The signature is botocore's, for any path, query and key."""
    from botocore import auth, awsrequest, credentials

    outgoing = UnsignedRequest(
        "POST", "bedrock-runtime.us-east-1.amazonaws.com", f"/model/{model}/converse{query}", "application/json", b"{}"
    )
    monkeypatch.setattr(auth, "get_current_datetime", lambda: MOMENT.replace(tzinfo=None))
    request = awsrequest.AWSRequest(
        "POST",
        f"https://{outgoing.host}{outgoing.target}",
        headers={"content-type": outgoing.content_type},
        data=outgoing.body,
    )
    parts = credentials.Credentials(key.id, key.secret, key.session_token)
    auth.SigV4Auth(parts, "bedrock", "us-east-1").add_auth(request)
    theirs = {name.lower(): value for name, value in request.headers.items()}
    ours = signed(outgoing, key, "us-east-1", service="bedrock", moment=MOMENT)
    assert ours == {name: theirs[name] for name in ours}
    assert ("x-amz-security-token" in ours) == (key.session_token is not None)


REGIONS = ["us-east-1", "ap-southeast-7", "us-gov-west-1", "cn-north-1", "us-iso-east-1", "us-isob-east-1"]
REGIONS += ["eu-isoe-west-1", "us-isof-south-1", "eusc-de-east-1", "mx-central-1"]


@pytest.mark.parametrize("region", REGIONS)
def test_addresses(region: str) -> None:
    """Each region's address is botocore's."""
    from botocore.session import Session

    session = Session()
    session.set_credentials("AKIDEXAMPLE", "secret")
    client = session.create_client("bedrock-runtime", region)
    assert in_region(region) == client.meta.endpoint_url
    client.close()


BINARY = [one for one in own() if one.streaming and one.status < 400 and "eventstream" in one.content_type]


@pytest.mark.parametrize("capture", BINARY, ids=lambda one: one.name)
def test_messages(capture: Capture) -> None:
    """Each event of our captures has the name and payload that botocore reads, and what it calls broken is."""
    from botocore.eventstream import ChecksumMismatch, EventStreamBuffer

    buffer = EventStreamBuffer()
    buffer.add_data(capture.body)
    theirs: list[Any] = []
    broken = False
    try:
        for message in buffer:
            if message.headers[":message-type"] == "event":
                theirs.append((message.headers[":event-type"], message.payload))
    except ChecksumMismatch:
        broken = True
    framer = EventStreamFramer()
    try:
        found = framer.feed(capture.body)
    except Exception as error:
        assert broken
        found = error.frames  # type: ignore[attr-defined]
    else:
        assert not broken
    assert [(frame.event, frame.data) for frame in found if b'"__type"' not in frame.data] == theirs

"""AWS Signature Version 4: make the headers that prove a key for a request.

As in docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html.
"""

from __future__ import annotations

import hashlib
import hmac
from datetime import UTC, datetime
from functools import reduce
from urllib.parse import quote

from ..core.access_key import AccessKey
from ..tables import UnsignedRequest

ALGORITHM = "AWS4-HMAC-SHA256"


def signed(
    outgoing: UnsignedRequest, key: AccessKey, region: str, *, service: str, moment: datetime | None = None
) -> dict[str, str]:
    """The headers of the signature, made at `moment` (now if `None`).

    Signed are the method, path, query and body, and the headers host, content-type and those of AWS: what proxies
    change is left out.
    """
    time = (moment or datetime.now(UTC)).strftime("%Y%m%dT%H%M%SZ")
    ours = {"x-amz-date": time}
    if key.session_token:
        ours["x-amz-security-token"] = key.session_token
    headers = {"host": outgoing.host, **ours}
    if outgoing.content_type:
        headers["content-type"] = outgoing.content_type
    names = ";".join(sorted(headers))
    scope = f"{time[:8]}/{region}/{service}/aws4_request"
    request = canonical_request(outgoing, headers, names)
    said = "\n".join((ALGORITHM, time, scope, _hash(request.encode())))
    signature = _signature(key, scope, said)
    ours["authorization"] = f"{ALGORITHM} Credential={key.id}/{scope}, SignedHeaders={names}, Signature={signature}"
    return ours


def canonical_request(outgoing: UnsignedRequest, headers: dict[str, str], names: str) -> str:
    """The request in the one form that both sides hash; the path, escaped already, is escaped once more."""
    path, _, query = outgoing.target.partition("?")
    return "\n".join(
        (
            outgoing.method,
            quote(path or "/", safe="/"),
            "&".join(sorted(pair if "=" in pair else f"{pair}=" for pair in query.split("&") if pair)),
            *(f"{name}:{' '.join(headers[name].split())}" for name in sorted(headers)),
            "",
            names,
            _hash(outgoing.body),
        )
    )


def _signature(key: AccessKey, scope: str, said: str) -> str:
    """The scope's parts and what is said, each signed with the signature of that before it, the first with the key."""
    return reduce(_hmac, (*scope.split("/"), said), f"AWS4{key.secret}".encode()).hex()


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.digest(key, text.encode(), "sha256")


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()

"""Requests that are signed as they go out, in place of a key that goes with them."""

from __future__ import annotations

from collections.abc import Mapping

from ..core.access_key import AccessKey
from ..core.exceptions import ConfigurationError
from ..core.secrets import Sealed
from ..http.credentials import Credential, Unsigned
from ..tables import Signing, UnsignedRequest

AUTHORIZATION = "authorization"


class SigningCredential(Credential):
    """A key whose signature goes into each request, made over its final bytes. It shows no more than a plain key."""

    def __init__(self, signing: Signing, key: AccessKey, region: str) -> None:
        if not key.id or not key.secret:
            raise ConfigurationError("AccessKey: both the id and the secret are needed")
        super().__init__(AUTHORIZATION, signing.prefix, key.id + key.secret + (key.session_token or ""))
        self._signing = signing
        self._parts = key
        self._region = region

    def headers(self, request: Unsigned) -> Mapping[str, str]:
        """The headers that sign `request`."""
        unsigned = UnsignedRequest(request.method, request.host, request.target, request.content_type, request.body)
        signed = self._signing.headers(unsigned, self._parts, self._region)
        return Sealed({name.lower(): value for name, value in signed.items()})

    def secrets(self) -> tuple[str, ...]:
        """The secret and the session's token; the id shows in each signature."""
        return (self._parts.secret, self._parts.session_token or "")

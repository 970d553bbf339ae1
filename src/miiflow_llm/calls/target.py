"""Find the engine, address and key of a client's calls, from a provider's name and the caller's settings."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from typing import NoReturn

import msgspec

from .. import providers
from .._version import __version__
from ..core import forks
from ..core.access_key import AccessKey
from ..core.exceptions import ConfigurationError
from ..core.request import ChatRequest
from ..core.secrets import Sealed, Secret, is_credential_header
from ..http.transport import Credential, checked_headers, checked_url
from ..tables import Also, BaseUrlFrom, Continuation, Dialect, Provider, Signing, as_spoken, continuation_of
from ..wire.decode.framings import MEDIA_TYPES
from ..wire.engine import Engine
from .signing import SigningCredential

_engines: dict[tuple[int, str], tuple[Provider, Engine]] = {}
_lock = forks.lock()


class Route(msgspec.Struct):
    """One dialect of a provider, at its address; `usual` says that it is the table's own."""

    engine: Engine
    base_url: str
    usual: bool = False

    def base_url_for(self, request: ChatRequest) -> str:
        """Where the request goes: some providers take the beginning of an answer at an address of its own only."""
        if request.messages[-1].role != "assistant" or not self.usual:
            return self.base_url
        return continuation_of(self.engine.dialect.continues, request.model).base_url or self.base_url

    def continuation(self, model: str) -> Continuation:
        """Whether and how the model, asked here, goes on with an answer that another began."""
        row = continuation_of(self.engine.dialect.continues, model)
        if row.base_url in (None, self.base_url) or self.usual:
            return row
        return Continuation(f"it goes on with an answer at {row.base_url} only, and {self.base_url} is asked")


class Target(msgspec.Struct):
    """A provider as one client uses it: `route` gives the dialect and address for a model."""

    provider: Provider
    headers: dict[str, str]
    credential: Credential | None
    dialect: str | None
    base_url: str | None
    region: str | None
    allow_http: bool

    @classmethod
    def of(
        cls,
        provider: str | Provider,
        *,
        api_key: str | AccessKey | None = None,
        base_url: str | None = None,
        region: str | None = None,
        dialect: str | None = None,
        headers: Mapping[str, str] | None = None,
        allow_http: bool = False,
    ) -> Target:
        """The target that the settings describe, checked.

        Raises:
            ConfigurationError: unknown provider or dialect, no key or region, an unusable address or header.
        """
        found = providers.get(provider) if isinstance(provider, str) else provider
        named = checked_headers(Sealed({**_headers_from_env(found), **(headers or {})}))
        region = _region(found, region)
        target = cls(found, named, _credential(found, api_key, region), dialect, base_url, region, allow_http)
        target.route("")
        return target

    @property
    def name(self) -> str:
        """The provider's name."""
        return self.provider.name

    @property
    def identity(self) -> str:
        """A digest of the provider and its credentials: equal for two clients that ask as the same customer."""
        key = self.credential.digest() if self.credential is not None else ""
        more = "".join(f"\0{name}\0{value}" for name, value in sorted(self._credentials_in(self.headers).items()))
        return hashlib.blake2b(f"{self.name}\0{key}{more}".encode(), digest_size=16).hexdigest()

    def route(self, model: str) -> Route:
        """The dialect for `model`, at its address."""
        speaks = _spoken(self.provider, self.dialect, model)
        own = self.base_url or _from_env(speaks) or _from_env(self.provider)
        url = own or speaks_at(self.provider, speaks)
        regions = self.provider.regions
        if url is None and regions is not None:
            url = regions.url(self.region or _no_region(self.provider))
        if url is None:
            variables = " or ".join(row.name for row in self.provider.base_url_env)
            raise ConfigurationError(
                f"{self.name}: base_url is needed, for example http://localhost:8000/v1"
                + (f"; or set {variables}" if variables else "")
            )
        with_key = self.credential is not None or bool(self._credentials_in(self.headers))
        checked = checked_url(url, with_key=with_key, allow_http=self.allow_http)
        return Route(engine_for(self.provider, speaks), checked, usual=own is None)

    def extra_headers(self, base_url: str, extra: Mapping[str, str] | None) -> dict[str, str]:
        """The headers of one call, checked.

        Raises:
            ConfigurationError: one cannot be sent, or a credential would go in clear to another machine.
        """
        checked = checked_headers(extra or {})
        if self._credentials_in(checked):
            checked_url(base_url, with_key=True, allow_http=self.allow_http)
        return checked

    @staticmethod
    def _credentials_in(headers: Mapping[str, str]) -> dict[str, str]:
        return {name: value for name, value in headers.items() if is_credential_header(name)}

    def request_headers(self, dialect: Dialect, *, stream: bool, extra: Mapping[str, str]) -> dict[str, str]:
        """Every header of a request but the key's; `extra` are checked."""
        return Sealed(
            {
                "accept": MEDIA_TYPES[dialect.framing] if stream else "application/json",
                "content-type": "application/json",
                "user-agent": f"miiflow-llm/{__version__}",
                **{name.lower(): value for name, value in dialect.headers.items()},
                **self.headers,
                **extra,
            }
        )


def speaks_at(provider: Provider, speaks: Provider | Also) -> str | None:
    """The table's address of one of the provider's dialects."""
    return speaks.base_url or provider.base_url


def _spoken(provider: Provider, dialect: str | None, model: str) -> Provider | Also:
    if dialect is None:
        needed = (also for also in provider.also if also.models and re.match(also.models, model))
        return next(needed, provider)
    for option in provider.options:
        if option.dialect.name == dialect:
            return option
    names = ", ".join(option.dialect.name for option in provider.options)
    raise ConfigurationError(f"{provider.name} does not speak {dialect!r}; it speaks {names}")


def spoken_by(provider: str, dialect: str | None) -> tuple[Provider, Provider | Also]:
    """The provider of that name, and its rows for the dialect; its first where `None`."""
    found = providers.get(provider)
    return found, _spoken(found, dialect, "")


def engine_for(provider: Provider, speaks: Provider | Also) -> Engine:
    """The engine of one dialect as the provider speaks it; compiled at its first use, shared ever after."""
    key = (id(provider), speaks.dialect.name)
    with _lock:
        if key not in _engines:
            _engines[key] = (provider, Engine(as_spoken(provider, speaks), provider.name))
        return _engines[key][1]


def _credential(provider: Provider, api_key: str | AccessKey | None, region: str | None) -> Credential | None:
    if isinstance(api_key, AccessKey):
        if provider.sign is None:
            raise ConfigurationError(f"{provider.name}: requests are not signed here; pass api_key as text")
        return _signing(provider, provider.sign, api_key, region)
    name = next(filter(os.environ.get, provider.env), None) if api_key is None else None
    key = Secret(os.environ[name]) if name else api_key
    if key:
        auth = provider.auth_env.get(name, provider.auth) if name else provider.auth
        return Credential(auth.header, auth.prefix, Secret(key.strip()))
    access_key = _access_key(provider.sign) if provider.sign and api_key is None else None
    if provider.sign and access_key:
        return _signing(provider, provider.sign, access_key, region)
    if provider.key == "optional":
        return None
    looked = " or ".join(key_variables(provider))
    raise ConfigurationError(f"{provider.name}: no API key; pass api_key=..." + (f" or set {looked}" if looked else ""))


def key_variables(provider: Provider) -> list[str]:
    """The variables that are looked at for a key; those that hold one together are one entry."""
    return [*provider.env, *([" and ".join(provider.sign.env[:2])] if provider.sign else [])]


def _access_key(sign: Signing) -> AccessKey | None:
    """The key of several parts that the environment holds; `None` where it does not hold it whole."""
    identity, secret, token = (os.environ.get(name, "").strip() for name in sign.env)
    return AccessKey(identity, secret, token or None) if identity and secret else None


def _signing(provider: Provider, sign: Signing, key: AccessKey, region: str | None) -> Credential:
    return SigningCredential(sign, key, region or _no_region(provider))


def _region(provider: Provider, region: str | None) -> str | None:
    """The caller's region, or that of the environment."""
    if provider.regions is None:
        if region is not None:
            raise ConfigurationError(f"{provider.name} has no regions: leave region out, or pass base_url")
        return None
    return region or next((value for name in provider.regions.env if (value := os.environ.get(name, "").strip())), None)


def _no_region(provider: Provider) -> NoReturn:
    variables = " or ".join(provider.regions.env) if provider.regions else ""
    raise ConfigurationError(f"{provider.name}: no region; pass region=..." + f" or set {variables}" * bool(variables))


def _from_env(speaks: Provider | Also) -> str | None:
    for row in speaks.base_url_env:
        value = os.environ.get(row.name, "").strip()
        if value:
            return _read_as(row, value)
    return None


def _headers_from_env(provider: Provider) -> dict[str, str]:
    found = {
        header: next(filter(None, map(os.environ.get, names)), None) for header, names in provider.headers_env.items()
    }
    return {header: value for header, value in found.items() if value}


def _read_as(row: BaseUrlFrom, value: str) -> str:
    url = (row.through(value) if row.through else value).rstrip("/")
    return url if url.endswith(row.suffix) else url + row.suffix

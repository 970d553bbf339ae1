"""A provider, as data: the dialects it speaks, where, and how it is shown who asks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

import msgspec

from ..core.access_key import AccessKey
from ..core.exceptions import ConfigurationError
from .check_values import containers, known, patterns
from .dialect import Dialect
from .rows import Rows, with_rows


class BaseUrlFrom(msgspec.Struct, frozen=True):
    """An environment variable that holds a base URL, read as the vendor's own client reads it.

    `through` turns a bare host or a name into a URL; then `suffix` is added if the URL does not end in it.
    """

    name: str
    suffix: str = ""
    through: Callable[[str], str] | None = None


class Auth(msgspec.Struct, frozen=True):
    """How a key is sent: in `header`, after `prefix`."""

    header: str = "authorization"
    prefix: str = "Bearer "


class Regions(msgspec.Struct, frozen=True):
    """Regions with an address each: `url` makes it of a region's name, `env` are the variables looked at for one."""

    url: Callable[[str], str]
    env: tuple[str, ...]


class UnsignedRequest(msgspec.Struct, frozen=True):
    """A request that is to be signed: `host` as the Host header has it, `target` the path with its query."""

    method: str
    host: str
    target: str
    content_type: str
    body: bytes


class Signing(msgspec.Struct, frozen=True):
    """How requests are signed: `headers(request, key, region)` are the headers that prove the key.

    `env` are the variables of the key's id, its secret, and a session's token. `prefix` is how `authorization` begins.
    """

    headers: Callable[[UnsignedRequest, AccessKey, str], Mapping[str, str]]
    env: tuple[str, str, str]
    prefix: str


class Also(Rows, kw_only=True):
    """Another dialect that a provider speaks, with rows of its own."""

    dialect: Dialect
    base_url: str | None = None
    """The address of this dialect, if it is not the provider's; likewise `base_url_env`."""
    base_url_env: tuple[BaseUrlFrom, ...] = ()
    models: str = ""
    """A pattern of the models that are asked in this dialect unless the caller chooses another."""


class Provider(Rows, kw_only=True):
    """Who speaks a dialect, and where: what a user writes to add one.

    Rows given here are those of `dialect`; `shared` holds the rows of every dialect that the provider speaks.
    """

    name: str
    dialect: Dialect
    """The dialect that is spoken unless the model or the caller asks for another."""
    base_url: str | None
    """The address that the dialect's path follows; `None` if only the caller or the environment knows it."""
    docs: str
    """The URL of the vendor's own reference."""
    env: tuple[str, ...] = ()
    """The environment variables looked at for the key, in order."""
    key: Literal["required", "optional"] = "required"
    """Whether a key is needed."""
    aliases: tuple[str, ...] = ()
    """Other names of the provider."""
    auth: Auth = Auth()
    """How the key is sent."""
    auth_env: Mapping[str, Auth] = {}
    """How the key is sent that stands in one of the variables `env`, if not as `auth` says."""
    base_url_env: tuple[BaseUrlFrom, ...] = ()
    """The variables looked at for the address, in order."""
    headers_env: Mapping[str, tuple[str, ...]] = {}
    """Optional headers, each with the variables looked at for its value."""
    shared: Rows | None = None
    """Rows of every dialect that the provider speaks; a dialect's own stand above them."""
    also: tuple[Also, ...] = ()
    """Further dialects, chosen by `dialect=` or by the model's name."""
    example_model: str = ""
    """A model that examples and checks may ask."""
    regions: Regions | None = None
    """Where the provider is, by region, if it has no one address."""
    sign: Signing | None = None
    """How requests are signed if there is no key to send."""

    @property
    def options(self) -> tuple[Provider | Also, ...]:
        """Where the rows of each dialect stand: the provider itself for its first, then `also`."""
        return (self, *self.also)


def as_spoken(provider: Provider, option: Provider | Also) -> Dialect:
    """The dialect of `option`, the provider itself or one of its `also`, with all its rows.

    Raises:
        ConfigurationError: a row is wrong; the error names the provider, the row, and what there is.
    """
    try:
        _check_own(provider, option)
        return with_rows(option.dialect, *([provider.shared] if provider.shared else []), option)
    except ConfigurationError as error:
        error.provider = error.provider or provider.name
        raise


def _check_own(provider: Provider, option: Provider | Also) -> None:
    for rows in (provider, option, *([provider.shared] if provider.shared else [])):
        containers("its table", rows)
    known("key is", [provider.key], ("required", "optional"))
    patterns("also for models", (also.models for also in provider.also))


def dialects_of(provider: Provider) -> tuple[Dialect, ...]:
    """Every dialect as the provider speaks it, its first one first.

    Raises:
        ConfigurationError: as for `as_spoken`.
    """
    return tuple(as_spoken(provider, option) for option in provider.options)

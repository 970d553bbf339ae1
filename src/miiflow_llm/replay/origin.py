"""Tell whose request a URL is: the provider and the dialect, by the tables' own addresses and paths."""

from __future__ import annotations

import re
from functools import cache
from urllib.parse import urlsplit

from .. import providers
from ..core.exceptions import ConfigurationError
from ..tables import Dialect, Regions

UNKNOWN_DIALECT = "unknown"
"""What a capture says if no dialect has this path; it can be replayed, but not read."""


def provider_of(host: str) -> str:
    """The provider whose address is at `host`; the host itself, as a capture's name, if there is none."""
    return _hosts().get(host) or _regional(host) or re.sub(r"[^A-Za-z0-9.-]", "-", host).strip(".-") or "unknown"


def dialect_of(provider: str, path: str) -> str:
    """The dialect whose requests go to `path`, the provider's own ones first."""
    known = [*_dialects(provider), *(dialect for name in providers.builtin_names() for dialect in _dialects(name))]
    return next((dialect.name for dialect in known if _goes_to(dialect, path)), UNKNOWN_DIALECT)


@cache
def _hosts() -> dict[str, str]:
    hosts: dict[str, str] = {}
    for name in providers.builtin_names():
        host = urlsplit(providers.get(name).base_url or "").hostname
        if host and host not in ("localhost", "127.0.0.1"):
            hosts.setdefault(host, name)
    return hosts


def _regional(host: str) -> str | None:
    """The provider that has this address in a region, whose name is a label of the host."""
    for name in providers.builtin_names():
        regions = providers.get(name).regions
        if regions is not None and any(_is_at(host, regions, label) for label in host.split(".")):
            return name
    return None


def _is_at(host: str, regions: Regions, region: str) -> bool:
    try:
        return urlsplit(regions.url(region)).hostname == host
    except ConfigurationError:
        return False


def _dialects(provider: str) -> list[Dialect]:
    if provider not in providers.names():
        return []
    found = providers.get(provider)
    return [option.dialect for option in found.options]


def _goes_to(dialect: Dialect, path: str) -> bool:
    templates = {dialect.path, dialect.stream_path or dialect.path}
    return any(re.search(_pattern(template), path) for template in templates)


def _pattern(template: str) -> str:
    return re.escape(template.partition("?")[0]).replace(re.escape("{model}"), r"[^/]+") + "$"

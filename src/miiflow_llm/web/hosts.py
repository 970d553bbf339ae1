"""By which names a service may be reached: what a browser says in `Host` and `Origin`, and what was allowed."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection

from ..core.exceptions import ConfigurationError

_HOST = re.compile(r"(?:\[([0-9a-f:.]+)\]|([^\s:/?#@,\[\]\\]+))(?::[0-9]{0,5})?")
_ORIGIN = re.compile(r"https?://")


def host_of(name: str) -> str | None:
    """The host that a `Host` header names, in lower case and without its port; `None` if it is not one host.

    An IPv6 address is the same in each of its spellings.
    """
    found = _HOST.fullmatch(name.strip(" \t").lower())
    if found is None:
        return None
    if found[1] is not None:
        try:
            return str(ipaddress.IPv6Address(found[1]))
        except ValueError:
            return None
    return found[2].removesuffix(".") or None


def host_of_origin(origin: str) -> str | None:
    """The host of a page that asks; `None` if it is not a page of the web: `null`, a file's, an extension's."""
    scheme = _ORIGIN.match(origin.lower())
    return None if scheme is None else host_of(origin[scheme.end() :])


def allowed_hosts(names: Collection[str]) -> frozenset[str]:
    """The names as `host_of` has them; an IPv6 address may stand without brackets, and ports are passed over.

    Raises:
        ConfigurationError: one is not a host's name or address.
    """
    found = {name: host_of(f"[{name}]") or host_of(name) for name in names}
    wrong = next((name for name, host in found.items() if host is None), None)
    if wrong is not None:
        raise ConfigurationError(
            f"allow_hosts: {wrong!r} is not the name or address of a host, such as api.example.com"
        )
    return frozenset(host for host in found.values() if host is not None)

"""Where the connection of a request must lead: the key of the pool."""

from __future__ import annotations

import ipaddress
from typing import NamedTuple

import httpx

_PORTS = {"http": 80, "https": 443}


class Origin(NamedTuple):
    """Where a connection leads. Two requests may share a connection only when their origins are equal."""

    scheme: str
    host: str
    port: int
    server_hostname: str
    """The name that the certificate is checked against and SNI sends (the `sni_hostname` extension, or `host`)."""

    @property
    def tls(self) -> bool:
        return self.scheme == "https"

    @property
    def is_address(self) -> bool:
        """Whether `host` is an IP address, so that there is nothing to look up."""
        try:
            ipaddress.ip_address(self.host)
        except ValueError:
            return False
        return True

    @classmethod
    def of(cls, url: httpx.URL, sni_hostname: str | None = None) -> Origin:
        """Raises httpx.UnsupportedProtocol for a scheme that is not http or https, or a URL without a host."""
        port = _PORTS.get(url.scheme)
        host = url.raw_host.decode("ascii")
        if port is None or not host:
            raise httpx.UnsupportedProtocol(f"a request URL begins with http:// or https:// and a host, not {url!r}")
        return cls(url.scheme, host, url.port or port, sni_hostname or host)

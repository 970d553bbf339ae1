"""Proxies of the environment: which URL goes by which, and that nothing written there raises anything bare."""

from __future__ import annotations

import pytest

from miiflow_llm.core.exceptions import ConfigurationError
from miiflow_llm.http.environment import Proxies

PROXY = {"https": "http://proxy:3128", "http": "http://proxy:3128"}

HOLDS = [
    ("api.example.com", "https://api.example.com/v1"),
    ("example.com", "https://example.com"),
    ("example.com", "https://api.example.com"),
    ("EXAMPLE.com", "https://Api.Example.COM"),
    (".example.com", "https://api.example.com"),
    ("*.example.com", "https://api.example.com"),
    ("example.com.", "https://api.example.com"),
    ("a.org, example.com ,b.org", "https://example.com"),
    ("*", "https://anything.at.all"),
    ("a.org,*", "http://10.0.0.1:8000"),
    ("box", "http://box:11434"),
    ("10.0.0.1", "http://10.0.0.1:11434"),
    ("172.16.0.0/12", "http://172.17.9.9:11434"),
    ("10.0.0.0/8,192.168.0.0/16", "http://192.168.4.5"),
    ("192.168.4.5/16", "http://192.168.9.9"),
    ("fd00::1", "http://[fd00::1]:8000"),
    ("[fd00::1]", "http://[fd00::1]:8000"),
    ("[fd00::1]:8000", "http://[fd00::1]:8000"),
    ("fd00:0:0:0:0:0:0:1", "http://[fd00::1]:8000"),
    ("::1,fd07:b51a:cc66:f0::/64", "http://[fd07:b51a:cc66:f0::2]:8000"),
    ("fe80::/10", "http://[fe80::1]:8000"),
    ("[fd07:b51a:cc66:f0::]/64", "http://[fd07:b51a:cc66:f0::2]:8000"),
    ("example.com:8443", "https://example.com:8443"),
    ("example.com:443", "https://example.com"),
    ("https://example.com", "https://example.com/x"),
    ("https://example.com:443", "https://api.example.com/x"),
]

THIS_MACHINE = [
    "http://127.0.0.1:1",
    "http://127.9.8.7",
    "https://localhost",
    "http://LOCALHOST.:1",
    "http://a.localhost",
    "http://[::1]:1",
    "http://[::ffff:127.0.0.1]",
]

DOES_NOT_HOLD = [
    ("", "https://example.com"),
    (",, ,", "https://example.com"),
    ("example.com", "https://notexample.com"),
    ("example.com", "https://example.com.evil.org"),
    (".example.com", "https://example.com"),
    ("*.example.com", "https://example.com"),
    ("example.com:8443", "https://example.com"),
    ("http://example.com", "https://example.com"),
    ("10.0.0.1", "http://10.0.0.2"),
    ("10.0.0.0/8", "http://11.0.0.1"),
    ("10.0.0.0/8", "http://ten.example"),
    ("fd00::1", "http://10.0.0.1"),
    ("fd07:b51a:cc66:f0::/64", "http://[fd07:b51a:cc66:f1::2]:8000"),
]

UNREADABLE = [
    "fd07:b51a::zz/64",
    "10.0.0.0/99",
    "[::1",
    "::1]",
    "a:b:c",
    "http://",
    "://x",
    "exa mple",
    "é",
    "%",
    "[",
    "x:99999",
    "\x00",
]


@pytest.mark.parametrize(("no_proxy", "url"), HOLDS)
def test_what_goes_without_a_proxy(no_proxy: str, url: str) -> None:
    """Names and what is below them, addresses and networks of both families, ports and schemes, in any case."""
    assert Proxies({**PROXY, "no": no_proxy}).of(url) is None


@pytest.mark.parametrize("url", THIS_MACHINE)
def test_this_machine_is_reached_straight(url: str) -> None:
    """No proxy is asked for a server on loopback, where it would look on its own."""
    assert Proxies(PROXY).of(url) is None


@pytest.mark.parametrize(("no_proxy", "url"), DOES_NOT_HOLD)
def test_what_goes_by_the_proxy(no_proxy: str, url: str) -> None:
    """What is only similar does not count."""
    found = Proxies({**PROXY, "no": no_proxy}).of(url)
    assert found is not None
    assert found.url == "http://proxy:3128"


@pytest.mark.parametrize("entry", UNREADABLE)
def test_what_cannot_be_read_is_passed_over(entry: str) -> None:
    """An entry that is no host or network spoils neither the request nor its neighbours."""
    proxies = Proxies({**PROXY, "no": f"{entry},good.example"})
    assert proxies.of("https://good.example") is None
    assert proxies.of("https://other.example") is not None


def test_schemes_before_all() -> None:
    """A scheme's own variable comes before ALL_PROXY; a bare host is an http proxy; none is none."""
    proxies = Proxies({"https": "proxy:3128", "all": "http://all:1"})
    assert [proxies.of(url).url for url in ("https://x", "http://x")] == ["http://proxy:3128", "http://all:1"]  # type: ignore[union-attr]
    assert Proxies({"http": "http://p:1"}).of("https://x") is None
    assert not Proxies({"no": "x"})


@pytest.mark.parametrize(
    "wrong",
    [
        "socks://127.0.0.1:1080",
        "socks4://x:1",
        "ftp://x",
        "http://",
        "http://[::1",
        "http://x:99999",
        "://",
        "é\x00",
        "http://a b:1",
        "javascript:alert(1)",
    ],
)
def test_a_proxy_that_cannot_be_used(wrong: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is a ConfigurationError that names the variable, for the requests that it is for and no others."""
    monkeypatch.setenv("ALL_PROXY", "set")
    proxies = Proxies({"all": wrong, "http": "http://fine:1", "no": "exempt.example"})
    with pytest.raises(ConfigurationError, match="ALL_PROXY does not name a proxy"):
        proxies.of("https://x")
    assert proxies.of("http://x") is not None
    assert proxies.of("https://exempt.example") is None


def test_a_socks_proxy_without_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """It names the variable and what to install, and never the password."""
    monkeypatch.setenv("all_proxy", "set")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    proxies = Proxies({"all": "socks5://user:hunter22@127.0.0.1:1080", "no": "exempt.example"})
    with pytest.raises(ConfigurationError, match=r"all_proxy=socks5://127.0.0.1:1080 .*httpx\[socks\]") as raised:
        proxies.of("https://x")
    assert "hunter22" not in str(raised.value)
    assert proxies.of("https://exempt.example") is None


def test_a_password_does_not_show() -> None:
    """Neither in a proxy's repr nor in how it is named."""
    found = Proxies({"https": "http://user:hunter22@proxy:3128"}).of("https://x")
    assert found is not None
    assert "hunter22" not in repr(found) + found.shown
    assert found.shown == "http://proxy:3128"

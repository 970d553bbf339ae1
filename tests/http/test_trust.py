"""Certificates: what the environment names, what is said of one that is not trusted, and that it is not tried again."""

from __future__ import annotations

from pathlib import Path

import pytest

from miiflow_llm.core.exceptions import ConfigurationError, NetworkError
from miiflow_llm.core.response import ChatResponse
from miiflow_llm.http import trust

from .lean.server import Server
from .lean.test_tls import AUTHORITY, client_context, server_context
from .test_proxies import WHOLE
from .ways import AUTO, WAYS, Way, ask

OURS = [way for way in (*AUTO, *WAYS) if way.by != "own"]


@pytest.fixture(autouse=True)
def _no_contexts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trust, "_contexts", {})


def broken_file(folder: Path) -> Path:
    path = folder / "broken.pem"
    path.write_text("-----BEGIN CERTIFICATE-----\nno\n-----END CERTIFICATE-----\n")
    return path


@pytest.mark.parametrize("way", OURS, ids=str)
def test_a_file_of_roots_that_is_missing(way: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is a ConfigurationError that names the variable, for https; what needs no certificates goes on."""
    monkeypatch.setenv("SSL_CERT_FILE", "/missing/roots.pem")
    raised = ask(way, "https://127.0.0.1:9")
    assert isinstance(raised, ConfigurationError), raised
    assert "SSL_CERT_FILE=/missing/roots.pem" in str(raised)
    if way.by != "httpx":  # which is given its certificates when it is made
        with Server(lambda peer: peer.serve(WHOLE)) as server:
            assert isinstance(ask(way, server.url), ChatResponse)


@pytest.mark.parametrize("way", AUTO, ids=str)
@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "SSLKEYLOGFILE"])
@pytest.mark.parametrize("kind", ["missing", "folder", "broken", "empty file", "secret", "NUL"])
def test_nothing_bare_comes_of_a_variable(
    way: Way, variable: str, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever a variable names, it is a typed error that says which, or it serves."""
    (tmp_path / "empty").touch()
    (tmp_path / "secret").touch(mode=0)
    paths = {
        "missing": tmp_path / "no" / "such",
        "folder": tmp_path,
        "broken": broken_file(tmp_path),
        "empty file": tmp_path / "empty",
        "secret": tmp_path / "secret",
    }
    monkeypatch.setenv(variable, str(paths.get(kind, "é\x7f")))
    raised = ask(way, "https://127.0.0.1:9")
    assert isinstance(raised, (ConfigurationError, NetworkError)), raised
    if isinstance(raised, ConfigurationError):
        assert f"{variable}=" in str(raised)
    elif variable == "SSL_CERT_FILE":
        assert kind in ("secret", "NUL", "empty file")


@pytest.mark.parametrize("way", OURS, ids=str)
def test_roots_of_ones_own(way: Way, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What SSL_CERT_FILE names is trusted, also once it is set after a first failure."""
    AUTHORITY.cert_pem.write_to_path(tmp_path / "roots.pem")
    with Server(lambda peer: peer.serve(WHOLE), context=server_context()) as server:
        assert isinstance(ask(way, server.url), NetworkError)
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "roots.pem"))
        answer = ask(way, server.url)
        assert isinstance(answer, ChatResponse), answer


@pytest.mark.parametrize("way", [*AUTO, *WAYS], ids=str)
@pytest.mark.parametrize("name", ["localhost", "elsewhere.example"])
def test_a_certificate_that_is_not_trusted(way: Way, name: str) -> None:
    """It is not tried again, and the error names SSL_CERT_FILE and `verify`."""
    verify = client_context() if name != "localhost" else None
    with Server(lambda peer: peer.serve(WHOLE), context=server_context(name)) as server:
        if name != "localhost" and way.by != "own":
            from .ways import trusting

            with trusting(client_context()):
                raised = ask(way, server.url, max_retries=2)
        else:
            raised = ask(way, server.url, max_retries=2, verify=verify)
    assert isinstance(raised, NetworkError), raised
    assert not raised.retryable
    assert len(raised.attempts) == 1
    for word in ("certificate", "SSL_CERT_FILE", "verify="):
        assert word in str(raised)

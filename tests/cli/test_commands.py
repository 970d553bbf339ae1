"""The commands beside `chat`: what they list, plan and pass on; none of them shows a key."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import msgspec
import pytest

from miiflow_llm import providers

from .running import COMMAND, KEY, Terminal, environment, plain, run

pytest.importorskip("typer")

from .test_check_servers import server, value


def test_providers_tell_which_key_is_set_and_never_the_key(tmp_path: Path) -> None:
    """A line for each provider: formats, address, and whether its variable is set."""
    (tmp_path / ".env").write_text("MISTRAL_API_KEY=sk-another-planted-key\n")
    ran = run("providers", folder=tmp_path)
    lines = dict(line.split("\t", 1) for line in ran.out.splitlines())
    assert list(lines) == providers.names()
    assert lines["openai"].endswith("OPENAI_API_KEY is set")
    assert "openai_chat, openai_responses\thttps://api.openai.com/v1" in lines["openai"]
    assert lines["mistral"].endswith("MISTRAL_API_KEY is set")
    assert lines["groq"].endswith("GROQ_API_KEY is not set")
    assert KEY not in ran.out
    assert "planted" not in ran.out


@pytest.mark.slow
def test_a_key_of_two_parts() -> None:
    """A key that signs is set where both its parts are, and named by the first; the address is told by the region."""
    keys = {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": KEY}
    said = {
        "AWS_ACCESS_KEY_ID is set": keys,
        "AWS_BEARER_TOKEN_BEDROCK is set": {**keys, "AWS_BEARER_TOKEN_BEDROCK": KEY},
        "AWS_BEARER_TOKEN_BEDROCK or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY is not set": {
            "AWS_ACCESS_KEY_ID": KEY
        },
    }
    for words, variables in said.items():
        ran = run("providers", **variables)
        (line,) = [line for line in ran.out.splitlines() if line.startswith("bedrock\t")]
        assert line == f"bedrock\tbedrock_converse\t(AWS_REGION)\t{words}"
        assert KEY not in ran.out


def test_providers_on_a_terminal() -> None:
    """On 80 columns no name, variable or dialect is broken, and set keys are marked."""
    terminal = Terminal("providers", COLUMNS="80")
    assert terminal.end() == 0
    shown = plain(terminal.seen)
    assert "● OPENAI_API_KEY" in shown
    assert "○ GROQ_API_KEY" in shown
    assert all(
        name in shown for name in (*providers.names(), "openai_chat, openai_responses", "api.groq.com/openai/v1")
    )
    assert KEY not in shown


def test_providers_as_json() -> None:
    """With --json each provider is a line with what a program wants to know."""
    found = [msgspec.json.decode(line) for line in run("providers", "--json").out.splitlines()]
    ready = {row["name"] for row in found if row["ready"]}
    assert ready == {"openai", "ollama", "openai-compatible"}


def test_a_plan_needs_no_key_and_shows_none() -> None:
    """The plan is the request with the key hidden, made without a key too."""
    with_key = run("plan", "-m", "openai:gpt-5", "Hello", "--max-tokens", "5")
    without = run("plan", "-m", "openai:gpt-5", "Hello", "--max-tokens", "5", OPENAI_API_KEY="")
    assert with_key.out == without.out
    plan = msgspec.json.decode(with_key.out)
    assert plan["headers"]["authorization"] == "Bearer ***"
    assert plan["body"]["max_completion_tokens"] == 5
    assert KEY not in with_key.out


def test_models() -> None:
    """Each model is a line; a provider that cannot be reached is exit code 1."""
    with server(lambda path, body: value(200, {"data": [{"id": "tiny"}]})) as url:
        assert run("models", "openai-compatible", "--base-url", url).out == "tiny\n"
    failing = run("models", "openai", "--base-url", "http://127.0.0.1:9/v1")
    assert failing.code == 1
    assert "NetworkError" in failing.err


@pytest.mark.slow
def test_explain_replay_and_capture_pass_their_arguments_on(tmp_path: Path) -> None:
    """The other commands of the package are reached by the same name, with their own options and help."""
    assert run("explain", "openai_chat", "--provider", "groq").out.startswith("openai_chat as groq speaks it")
    assert run("explain", "no_such").code == 2
    assert "--pace" in run("replay", "--help").out
    assert "--tool-call" in run("fake", "--help").out
    assert "--redact" in run("captures", "import", "--help").out
    assert "--redact" in run("capture", "--help").out


def test_serve_without_its_extra_says_what_to_install() -> None:
    """Where the web part cannot be imported, the line says which extra has it."""
    code = "import sys; sys.modules['miiflow_llm.web'] = None; from miiflow_llm.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "serve"], capture_output=True, text=True, env=environment(), check=False
    )
    assert done.returncode == 2
    assert "miiflow-llm[web]" in done.stderr


@pytest.mark.parametrize("missing", ["rich", "typer"])
def test_without_the_extra_the_command_says_what_to_install(missing: str) -> None:
    """The entry point works without the extra as far as to name it."""
    code = f"import sys; sys.modules[{missing!r}] = None; from miiflow_llm.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment(), check=False)
    assert done.returncode == 2
    assert done.stderr == "miiflow-llm: the command line needs more: pip install 'miiflow-llm[cli]'\n"


def test_help_and_version() -> None:
    """Help names every command and the exit codes; the version is the package's."""
    from miiflow_llm import __version__

    assert run("--version").out.strip() == __version__
    shown = run("--help").out
    assert all(name in shown for name in ("chat", "plan", "providers", "models", "explain", "capture", "replay"))
    assert "130" in shown


def test_the_client_imports_nothing_of_it() -> None:
    """The core never imports what is optional."""
    code = "import sys; from miiflow_llm import LLMClient, SyncLLMClient, ClientPool; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    # rich is no sign: httpx itself imports it where it is installed beside click
    assert not {"typer", "opentelemetry", "miiflow_llm.otel", "miiflow_llm.cli"} & set(loaded)


@contextmanager
def served(*arguments: str, **variables: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """`serve` on a free port, and its address; it is interrupted at the end and must have ended as such."""
    pytest.importorskip("uvicorn")
    process = subprocess.Popen(
        [*COMMAND, "serve", "--port", "0", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(**variables),
    )
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        address = process.stdout.readline().strip()
        assert address, process.stderr.read()
        yield process, address
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) == 130
        assert "Traceback" not in process.stderr.read()
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        process.stderr.close()


def offered(address: str) -> dict[str, list[str]]:
    """The models that the page may choose from."""
    found = httpx.get(f"{address}models", timeout=30, trust_env=False).raise_for_status().json()
    return {provider["name"]: provider["models"] for provider in found["providers"]}


def test_serve_offers_what_can_be_asked() -> None:
    """Without a word each provider whose key is set is offered; named models alone where they are named."""
    with served() as (_, address):
        assert list(offered(address)) == ["openai"]
        assert "<html" in httpx.get(address, trust_env=False).text
    with served("-m", "openai:gpt-5", "-m", "openai:gpt-4o") as (_, address):
        assert offered(address) == {"openai": ["gpt-5", "gpt-4o"]}


def test_serve_offers_what_the_configuration_has() -> None:
    """A configuration in the variable decides which models there are."""
    config = '{"providers": {"openai": {"models": ["gpt-5"]}}}'
    with served(MIIFLOW_LLM_CONFIG=config) as (_, address):
        assert offered(address) == {"openai": ["gpt-5"]}


def test_serve_without_a_key_replays() -> None:
    """With no key at all the page works on replayed answers, and says so."""
    with served(OPENAI_API_KEY="") as (_, address):
        assert list(offered(address)) == ["replay"]


@pytest.mark.parametrize("words", [("replay",), ("captures", "show")])
def test_help_calls_a_command_by_its_name(words: tuple[str, ...]) -> None:
    """What another module parses is called by the name that was typed."""
    assert run(*words, "--help").out.startswith(f"usage: {' '.join(('miiflow-llm', *words))} [")

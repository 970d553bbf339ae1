"""`miiflow-llm chat`: the same answer on a terminal, in a pipe and as JSON lines; ends that scripts can rely on."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from miiflow_llm.replay.server import ReplayServer, serving

from ..captured import own, read
from .running import KEY, Terminal, plain, run

pytest.importorskip("typer")

CAPTURES = {capture.key: capture for capture in own()}
WHOLE = msgspec.structs.replace(
    CAPTURES["openai/whole_text"],
    name="whole_number",
    body=b'{"choices":[{"message":{"role":"assistant","content":"{\\"number\\": 7}"},"finish_reason":"stop"}]}',
    request=None,
    file=None,
)
PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c6360f8cfc0000003010100c9fe92ef"
    "0000000049454e44ae426082"
)


@pytest.fixture
def server() -> Iterator[ReplayServer]:
    """Every OpenAI capture, served frame by frame."""
    with serving([capture for key, capture in CAPTURES.items() if key.startswith("openai/")]) as served:
        yield served


def asking(server: ReplayServer, name: str, *more: str) -> list[str]:
    """The arguments of a chat that is served one capture."""
    return ["chat", "-m", f"openai:{model(name)}", "--base-url", server.url_for("openai", name), *more]


def model(name: str) -> str:
    """The capture's model."""
    found = CAPTURES[f"openai/{name}"].model
    assert found
    return found


def said(name: str) -> str:
    """The text of the capture's answer."""
    outcome = read(CAPTURES[f"openai/{name}"])
    answer = outcome.response or (outcome.error.partial if outcome.error else None)
    assert answer is not None
    return answer.content


@pytest.mark.parametrize("how", ["--stream", "--no-stream"])
def test_a_pipe_gets_the_plain_text(server: ReplayServer, how: str) -> None:
    """In a pipe the output is the answer's text and a newline, nothing else."""
    name = "text" if how == "--stream" else "whole_text"
    ran = run(*asking(server, name, "Hello", how))
    assert (ran.code, ran.out, ran.err) == (0, said(name).rstrip("\n") + "\n", "")


def test_what_is_piped_in_follows_the_prompt(server: ReplayServer) -> None:
    """The prompt and standard input are one user message, under the instructions."""
    assert run(*asking(server, "text", "Sum up:", "-s", "Be brief."), given="a long text\n").code == 0
    messages = server.requests[-1].body["messages"]
    assert messages == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Sum up:\n\na long text"},
    ]


def test_json_lines(server: ReplayServer) -> None:
    """With --json each line is one JSON value, the last one the whole answer with its usage."""
    ran = run(*asking(server, "text", "Hello", "--json"))
    lines = [msgspec.json.decode(line) for line in ran.out.splitlines()]
    assert [line["type"] for line in lines] == ["chunk"] * (len(lines) - 1) + ["finished"]
    assert "".join(line.get("delta", "") for line in lines[:-1]) == lines[-1]["content"] == said("text")
    assert lines[-1]["usage"]["completion_tokens"] > 0


def test_tool_calls_are_shown(server: ReplayServer) -> None:
    """Calls that the model asks for are lines of their own."""
    ran = run(*asking(server, "two_tools", "Hello"))
    assert ran.code == 0
    assert all(re.fullmatch(r"\w+\(\{.*\}\)", line) for line in ran.out.splitlines()[-2:])


def test_calls_of_a_whole_answer_are_shown(server: ReplayServer) -> None:
    """Also where the answer came in one piece."""
    ran = run(*asking(server, "whole_tools", "Hello", "--no-stream"))
    assert (ran.code, ran.err) == (0, "")
    assert [line.partition("(")[0] for line in ran.out.splitlines() if line] == ["find_birds", "get_tide"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("length", "cut off at the token limit"),
        ("content_filter", "stopped by a content filter"),
        ("refusal", "refused: "),
        ("whole_refusal", "refused: "),
    ],
)
def test_an_answer_that_did_not_end_of_itself_says_so(server: ReplayServer, name: str, words: str) -> None:
    """In a pipe a line beside the output says that it is cut, filtered or refused; on a terminal its figures do."""
    how = ["--no-stream"] if name.startswith("whole") else []
    ran = run(*asking(server, name, "Hello", *how))
    assert (ran.code, ran.err.count("\n")) == (0, 1)
    assert words in ran.err
    assert said(name).rstrip("\n") == ran.out.rstrip("\n")
    if not how:
        terminal = Terminal(*asking(server, name, "Hello"))
        assert terminal.end() == 0
        assert words.rstrip(": ") in plain(terminal.seen).splitlines()[-1]


def test_a_refusal_is_told(server: ReplayServer) -> None:
    """The words of a refusal are on the terminal, in the chunks and in the whole."""
    outcome = read(CAPTURES["openai/refusal"]).response
    assert outcome is not None
    words = outcome.message.refusal
    assert words
    lines = [msgspec.json.decode(line) for line in run(*asking(server, "refusal", "Hello", "--json")).out.splitlines()]
    assert "".join(line.get("refusal_delta", "") for line in lines) == lines[-1]["refusal"] == words
    terminal = Terminal(*asking(server, "refusal", "Hello"))
    assert terminal.end() == 0
    assert " ".join(words.split()) in " ".join(plain(terminal.seen).split())


@pytest.mark.parametrize("as_json", [[], ["--json"]])
def test_a_broken_answer_keeps_what_came(server: ReplayServer, as_json: list[str]) -> None:
    """A truncated answer exits with 1, says so in one line, and what came stays."""
    ran = run(*asking(server, "cut_short", "Hello", *as_json))
    assert ran.code == 1
    assert ran.err.count("\n") == 1
    assert "StreamInterruptedError" in ran.err
    if as_json:
        lines = [msgspec.json.decode(line) for line in ran.out.splitlines()]
        assert (lines[-1]["type"], lines[-1]["error"]) == ("error", "StreamInterruptedError")
        assert "".join(line.get("delta", "") for line in lines) == said("cut_short")
    else:
        assert ran.out == said("cut_short").rstrip("\n") + "\n"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["-m", "opnai:m", "x"], 2, "did you mean 'openai'"),
        (["-m", "openai", "x"], 2, "as in -m openai:"),
        (["x"], 2, "MIIFLOW_LLM_MODEL"),
        (["-m", "openai:m"], 2, "nothing to ask"),
        (["-m", "openai:m", "x", "--parameters", "{"], 2, "--parameters"),
        (["-m", "openai:m", "x", "--schema", "/nowhere.json"], 2, "No such file"),
        (["-m", "openai:m", "x", "--image", "/nowhere.png"], 2, "/nowhere.png"),
        (["-m", "openai:m", "x", "--bogus"], 2, "No such option"),
        (["-m", "openai:m", "x", "--config", "c.toml", "--base-url", "http://h/v1"], 2, "leave out --base-url"),
        (["-m", "openai:m", "x", "--base-url", "http://127.0.0.1:9/v1", "--timeout", "2"], 1, "NetworkError"),
    ],
)
def test_exit_codes(arguments: list[str], code: int, words: str, tmp_path: Path) -> None:
    """2 says that the command was wrong, 1 that the network failed; no traceback, and no key."""
    ran = run("chat", *arguments, folder=tmp_path)
    assert ran.code == code
    assert words.lower() in ran.err.lower()
    assert "Traceback" not in ran.err
    assert KEY not in ran.out + ran.err


def test_an_image(server: ReplayServer, tmp_path: Path) -> None:
    """An image file goes along, before the words."""
    (tmp_path / "pixel.png").write_bytes(PIXEL)
    assert run(*asking(server, "text", "What is it?", "--image", str(tmp_path / "pixel.png"))).code == 0
    content = server.requests[-1].body["messages"][0]["content"]
    assert [part["type"] for part in content] == ["image_url", "text"]
    assert content[0]["image_url"]["url"].startswith("data:image/png;base64,")


def test_a_schema(server: ReplayServer, tmp_path: Path) -> None:
    """With a schema the output is the value as JSON."""
    capture = CAPTURES["openai/whole_text"]
    assert not capture.streaming
    schema = {"title": "Answer", "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    (tmp_path / "s.json").write_bytes(msgspec.json.encode(schema))
    ran = run(*asking(server, "whole_text", "Hello", "--schema", str(tmp_path / "s.json")))
    assert server.requests[-1].body["response_format"]["type"] == "json_schema"
    assert ran.code == 1  # the capture's answer is prose
    assert "ParsingError" in ran.err


@pytest.mark.slow
@pytest.mark.parametrize("how", [[], ["--no-stream"], ["--json"]])
def test_a_schema_that_is_followed(server: ReplayServer, tmp_path: Path, how: list[str]) -> None:
    """The value is the output: indented JSON, or in the last of the lines, with the value so far in those before."""
    schema = {"title": "Ferry", "type": "object", "properties": {"number": {"type": "integer"}}}
    (tmp_path / "s.json").write_bytes(msgspec.json.encode(schema))
    answer = CAPTURES["openai/structured"] if how == ["--json"] else WHOLE
    with serving([answer]) as served:
        at = ["-m", f"openai:{answer.model}", "--base-url", served.url_for(answer.provider, answer.name)]
        ran = run("chat", *at, "Hello", "--schema", str(tmp_path / "s.json"), *how)
    assert (ran.code, ran.err) == (0, "")
    if how != ["--json"]:
        assert ran.out == '{\n  "number": 7\n}\n'
        return
    lines = [msgspec.json.decode(line) for line in ran.out.splitlines()]
    assert any(line.get("partial_parse") for line in lines[:-2])
    assert lines[-1]["structured_output"] == msgspec.json.decode(said("structured"))


def test_the_model_may_come_from_an_env_file(server: ReplayServer, tmp_path: Path) -> None:
    """.env is read, for the model and for the key, and what is set already stands."""
    (tmp_path / ".env").write_text(f"MIIFLOW_LLM_MODEL=openai:{model('text')}\nOPENAI_API_KEY=other\n")
    ran = run("chat", "Hello", "--base-url", server.url_for("openai", "text"), folder=tmp_path)
    assert ran.out == said("text").rstrip("\n") + "\n"


@pytest.mark.slow
@pytest.mark.parametrize("how", ["option", "variable", "model of it"])
def test_a_configuration_says_whom_to_ask(server: ReplayServer, tmp_path: Path, how: str) -> None:
    """With a configuration no model need be named, and one that is named must be among its models."""
    entry = {"models": ["m", model("text")], "base_url": server.url_for("openai", "text"), "default_seed": 7}
    config = {"default_model": model("text"), "default_provider": "openai", "providers": {"openai": entry}}
    (tmp_path / "llm.json").write_bytes(msgspec.json.encode(config))
    given = ["--config", str(tmp_path / "llm.json")] if how != "variable" else []
    given += ["-m", f"openai:{model('text')}"] if how == "model of it" else []
    ran = run("chat", "Hello", *given, **({} if given else {"MIIFLOW_LLM_CONFIG": str(tmp_path / "llm.json")}))
    assert (ran.code, ran.out, ran.err) == (0, said("text").rstrip("\n") + "\n", "")
    assert server.requests[-1].body["seed"] == 7
    other = run("chat", "Hello", "--config", str(tmp_path / "llm.json"), "-m", "openai:gpt-9")
    assert (other.code, other.err.count("\n")) == (2, 1)
    assert "gpt-9" in other.err


def test_a_limit_holds_with_a_configuration_too(server: ReplayServer) -> None:
    """`--timeout` counts wherever the client comes from."""
    server.pace = 5.0
    entry = {"models": [model("text")], "base_url": server.url_for("openai", "text"), "max_retries": 0}
    config = msgspec.json.encode({"providers": {"openai": entry}}).decode()
    ran = run("chat", "Hello", "--timeout", "0.3", MIIFLOW_LLM_CONFIG=config)
    assert ran.code == 1
    assert "TimeoutError" in ran.err


def test_a_terminal_is_drawn_on_and_keeps_the_answer(server: ReplayServer) -> None:
    """On a terminal the answer is drawn live, and stands there whole at the end, with its figures."""
    server.pace = 0.02
    terminal = Terminal(*asking(server, "text", "Hello"))
    assert terminal.end() == 0
    assert "\x1b[" in terminal.seen
    last = plain(terminal.seen.rpartition("\x1b[2K")[2])
    assert " ".join(said("text").split()) in " ".join(last.split())
    assert "tokens" in last


def test_a_terminal_shows_every_character(server: ReplayServer) -> None:
    """What looks like HTML is shown and not taken for it; lines that end in other ways than a newline end."""
    terminal = Terminal(*asking(server, "multibyte", "Hello"))
    assert terminal.end() == 0
    shown = " ".join(plain(terminal.seen).split())
    assert "<jazr>." in shown
    assert "flags. Next line, then another" in shown


def test_no_color(server: ReplayServer) -> None:
    """NO_COLOR is obeyed: no colour is set anywhere, and a dumb terminal is written to as a pipe is."""
    terminal = Terminal(*asking(server, "two_tools", "Hello"), NO_COLOR="1")
    assert terminal.end() == 0
    assert not re.search(r"\x1b\[[0-9;]*3[0-7]m", terminal.seen)
    dumb = Terminal(*asking(server, "text", "Hello"), TERM="dumb")
    assert dumb.end() == 0
    assert "\x1b" not in dumb.seen


@pytest.mark.parametrize("tty", [True, False])
def test_ctrl_c_ends_cleanly(server: ReplayServer, tty: bool) -> None:
    """Interrupted amid an answer: exit code 130, one line, no traceback, and the connection closed."""
    server.pace = 0.3
    terminal = Terminal(*asking(server, "text", "Hello", *([] if tty else ["--json"])))
    terminal.until(said("text").split()[0])
    terminal.process.send_signal(signal.SIGINT)
    assert terminal.end() == 130
    assert "interrupted" in terminal.seen
    assert "Traceback" not in terminal.seen


def test_a_conversation(server: ReplayServer) -> None:
    """At a terminal without a prompt turns follow each other, each with all that was said; Ctrl-D ends it."""
    terminal = Terminal(*asking(server, "text", "-s", "Be brief."))
    terminal.until("> ")
    terminal.type("first\n")
    terminal.until("tokens")
    terminal.type("second\n")
    terminal.until("tokens", 2)
    terminal.until("> ", 3)
    terminal.type("\x04")
    assert terminal.end() == 0
    messages: list[dict[str, Any]] = server.requests[-1].body["messages"]
    assert [message["role"] for message in messages] == ["system", "user", "assistant", "user"]
    assert messages[2]["content"] == said("text")


def test_nobody_reads_to_the_end(server: ReplayServer) -> None:
    """A reader that goes away, as `head` does, is no error."""
    import subprocess

    from .running import COMMAND, environment

    server.pace = 0.02
    command = subprocess.Popen(
        [*COMMAND, *asking(server, "text", "Hello")],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
    )
    assert command.stdout is not None
    assert command.stderr is not None
    command.stdout.read(1)
    command.stdout.close()
    assert command.stderr.read() == b""
    command.stderr.close()
    assert command.wait(timeout=30) == 0


def test_a_models_words_do_not_steer_the_terminal() -> None:
    """Control characters in an answer are not passed to a terminal."""
    from miiflow_llm.cli.ending import printable

    assert printable("a\x1b]0;title\x07b\n\tc\x9b") == "a]0;titleb\n\tc"

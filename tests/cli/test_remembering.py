"""What the command line remembers: conversations, keys, aliases and templates; and what goes with a question."""

from __future__ import annotations

import os
import signal
import sqlite3
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from miiflow_llm.core.exceptions import ConfigurationError
from miiflow_llm.core.messages import AudioBlock, DocumentBlock, ImageBlock, Message
from miiflow_llm.core.response import ChatResponse
from miiflow_llm.replay.fake import fake_pair
from miiflow_llm.replay.server import ReplayServer, serving

pytest.importorskip("typer")

from miiflow_llm.cli import stored_keys
from miiflow_llm.cli.attaching import attached
from miiflow_llm.cli.extracting import code_of
from miiflow_llm.cli.kept import Asked, Conversations, new_id
from miiflow_llm.cli.own_tools import loaded
from miiflow_llm.cli.short_schema import schema_of
from miiflow_llm.cli.templates import Template, places_of

from .running import KEY, Terminal, plain, run
from .test_chat import PIXEL

CODE = "Here:\n\n```python\nprint('one')\n```\n\nand\n\n~~~\ntwo\n~~~\n"


@pytest.fixture
def server() -> Iterator[ReplayServer]:
    """OpenAI, with one answer that has code in it."""
    with serving(fake_pair("openai_chat", text=CODE), match=("streaming",)) as served:
        yield served


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    """A folder of its own for what is remembered."""
    return {"MIIFLOW_LLM_HOME": str(tmp_path / "home")}


def asking(server: ReplayServer, *more: str) -> list[str]:
    """The arguments of a chat with the server."""
    return ["chat", "-m", "openai:gpt-4o", "--dialect", "openai_chat", "--base-url", f"{server.url}/v1", *more]


def test_a_conversation_goes_on(server: ReplayServer, home: dict[str, str]) -> None:
    """`-c` sends all that was said before, to the same model; `--cid` too, and `logs` finds it by its words."""
    first = run(*asking(server, "Tides at Oban?", "-s", "Be brief."), **home)
    assert (first.code, first.err) == (0, "")
    second = run("chat", "-c", "And at Mull?", "--json", **home)
    assert second.code == 0, second.err
    messages = server.requests[-1].body["messages"]
    assert [(one["role"], one["content"]) for one in messages] == [
        ("system", "Be brief."),
        ("user", "Tides at Oban?"),
        ("assistant", CODE),
        ("user", "And at Mull?"),
    ]
    cid = msgspec.json.decode(second.out.splitlines()[-1])["conversation"]
    assert run("chat", "--cid", cid[:11], "Third", "--no-log", **home).code == 0
    assert len(server.requests[-1].body["messages"]) == 6
    found = run("logs", "oban", "--json", **home).out.splitlines()
    assert [msgspec.json.decode(line)["prompt"] for line in found] == ["Tides at Oban?"]
    listed = run("logs", "--short", "--cid", cid, **home).out.splitlines()
    assert [line.split("\t")[-1] for line in listed] == ["Tides at Oban?", "And at Mull?"]
    assert run("logs", "-r", **home).out.strip() == CODE.strip()


def test_nothing_is_kept_if_that_is_turned_off(server: ReplayServer, home: dict[str, str]) -> None:
    """After `logs --off` no turn is kept, but one with --log; what is kept can be forgotten."""
    assert "no longer kept" in run("logs", "--off", **home).err
    run(*asking(server, "secret"), **home)
    assert run("logs", "--json", **home).out == ""
    run(*asking(server, "this one", "--log"), **home)
    (kept,) = run("logs", "--json", **home).out.splitlines()
    cid = msgspec.json.decode(kept)["conversation"]
    assert "forgot" in run("logs", "--remove", cid, **home).err
    nothing = run("chat", "-c", "x", **home)
    assert (nothing.code, "no conversation to go on with" in nothing.err) == (2, True)
    data = Path(run("logs", "--path", **home).out.strip()).read_bytes()
    assert b"this one" not in data


def test_a_store_that_cannot_be_written_costs_no_answer(server: ReplayServer, tmp_path: Path) -> None:
    """The answer is given, and a line says that it is not kept."""
    (tmp_path / "file").write_text("x")
    ran = run(*asking(server, "Hello", "--log"), MIIFLOW_LLM_HOME=str(tmp_path / "file"))
    assert ran.out.strip() == CODE.strip()
    assert "the turn is not kept" in ran.err


def test_turns_of_the_store(tmp_path: Path) -> None:
    """What is kept is read back as it was; several objects share a file; ids that begin alike are told apart."""
    one, other = Conversations(tmp_path / "c.db"), Conversations(tmp_path / "c.db")
    ids = [new_id() for _ in range(200)]
    assert len(set(ids)) == 200
    said = [Message.user([ImageBlock.from_bytes(PIXEL)]), Message.assistant("Über alles")]
    answer = ChatResponse(message=said[1], provider="p", model="m")
    one.add("abc1", Asked(model="p:m"), said, "prompt", answer)
    other.add("abd2", Asked(route="r"), said[1:], "x", answer)
    assert other.read("abc1") == (Asked(model="p:m"), said)
    assert one.last() == "abd2"
    assert other.named("abc") == "abc1"
    for name in ("ab", "nobody", ""):
        with pytest.raises(ConfigurationError, match="--cid"):
            one.named(name)
    assert [turn.conversation for turn in one.find("ÜBER")] == ["abc1", "abd2"]
    assert [turn.model for turn in one.find("", most=1)] == ["r (p:m)"]
    assert stat.S_IMODE((tmp_path / "c.db").stat().st_mode) == 0o600
    (tmp_path / "broken.db").write_bytes(b"not a database" * 100)
    with pytest.raises(ConfigurationError, match="cannot be used"):
        Conversations(tmp_path / "broken.db").last()
    with sqlite3.connect(tmp_path / "c.db") as base:
        assert base.execute("SELECT count(*) FROM turns").fetchone() == (2,)


@pytest.mark.parametrize(
    ("form", "properties", "required"),
    [
        ("name, age int", {"name": {"type": "string"}, "age": {"type": "integer"}}, ["name", "age"]),
        ("name\nage int\n", {"name": {"type": "string"}, "age": {"type": "integer"}}, ["name", "age"]),
        ("tags str[]\nwhen? date: the day, if known", None, None),
        ("ok bool: is it, size float", None, None),
        ("tags str[]", {"tags": {"type": "array", "items": {"type": "string"}}}, ["tags"]),
        ("when? date: the day", {"when": {"type": "string", "format": "date", "description": "the day"}}, []),
    ],
)
def test_the_short_form(form: str, properties: dict[str, Any] | None, required: list[str] | None) -> None:
    """Fields, types, lists, words, and what may be left out."""
    found = schema_of(form)
    assert found["type"] == "object"
    if properties is not None:
        assert (found["properties"], found["required"]) == (properties, required)
    assert schema_of(f"[{form}]")["items"] == found


def test_other_schemas(tmp_path: Path) -> None:
    """A file, JSON, and what is neither."""
    (tmp_path / "s.json").write_text('{"type": "object"}')
    assert schema_of(str(tmp_path / "s.json")) == schema_of('{"type": "object"}') == {"type": "object"}
    for wrong in ("name, age integr", "", "[]", "{", "a-b", "nowhere.json", "./x"):
        with pytest.raises(ConfigurationError, match="--schema"):
            schema_of(wrong)


def test_code_of_an_answer(server: ReplayServer, home: dict[str, str]) -> None:
    """`--extract` prints the first block, `--extract-last` the last; text without one is whole."""
    assert run(*asking(server, "x", "-x"), **home).out == "print('one')\n"
    assert run(*asking(server, "x", "--extract-last"), **home).out == "two\n"
    assert code_of("none") == "none"
    assert code_of("1. a\n\n   ```py\n   x = 1\n   ```\n") == "x = 1\n"


def test_attachments(tmp_path: Path, server: ReplayServer, home: dict[str, str]) -> None:
    """By path, URL or standard input, each of the kind that its bytes are."""
    (tmp_path / "a.bin").write_bytes(PIXEL)
    (tmp_path / "b.pdf").write_bytes(b"%PDF-1.7 ...")
    (tmp_path / "c.txt").write_text("words")
    (tmp_path / "d.wav").write_bytes(b"RIFF\x00\x00\x00\x00WAVEfmt ")
    kinds = [type(attached(str(tmp_path / name))) for name in ("a.bin", "b.pdf", "c.txt", "d.wav")]
    assert kinds == [ImageBlock, DocumentBlock, DocumentBlock, AudioBlock]
    assert isinstance(attached("https://host/x.png?size=1"), ImageBlock)
    assert isinstance(attached("https://host/x.pdf"), DocumentBlock)
    (tmp_path / "e.zip").write_bytes(b"PK\x03\x04\x00\xff\xfe")
    for wrong in ("e.zip", "nowhere", "empty"):
        (tmp_path / "empty").touch()
        with pytest.raises(ConfigurationError, match="-a "):
            attached(str(tmp_path / wrong))
    with pytest.raises(ConfigurationError, match="cannot be fetched"):
        attached("http://127.0.0.1:9/x.bin")
    assert run(*asking(server, "What is it?", "-a", "-"), given="some text", **home).code == 0
    assert "some text" in str(server.requests[-1].body["messages"])


def test_templates(tmp_path: Path, server: ReplayServer, home: dict[str, str]) -> None:
    """An alias and a template of the user's own configuration say whom and what to ask."""
    folder = Path(home["MIIFLOW_LLM_HOME"])
    folder.mkdir()
    (folder / "config.toml").write_text(
        '[aliases]\nfast = "openai:gpt-4o"\n'
        "[templates.tides]\nmodel = 'fast'\nsystem = 'Be $tone.'\nprompt = 'Tides at $port: $input'\nextract = true\n"
        "parameters = { temperature = 0.5, seed = 1 }\ndefaults = { tone = 'brief' }\n"
    )
    at = ["--dialect", "openai_chat", "--base-url", f"{server.url}/v1", "--parameters", '{"seed": 2}']
    ran = run("chat", "-T", "tides", "-p", "port=Oban", "today", *at, **home)
    assert (ran.code, ran.out) == (0, "print('one')\n"), ran.err
    body = server.requests[-1].body
    assert [one["content"] for one in body["messages"]] == ["Be brief.", "Tides at Oban: today"]
    assert (body["model"], body["temperature"], body["seed"]) == ("gpt-4o", 0.5, 2)
    missing = run("chat", "-T", "tides", "today", *at, **home)
    assert (missing.code, "-p port=VALUE" in missing.err) == (2, True)
    assert "templates.tide" in run("chat", "-T", "tide", "x", *at, **home).err


def test_places_of_templates() -> None:
    """What is given stands under a prompt that has no place for it; signs and wrong places are told."""
    assert Template(prompt="Sum up:").asked("text", {}) == "Sum up:\n\ntext"
    assert Template(prompt="$input?").asked("text", {}) == "text?"
    assert Template(prompt="$$5").asked(None, {}) == "$5"
    assert Template().asked(None, {}) is None
    for wrong in (Template(prompt="$input"), Template(prompt="$x"), Template(prompt="5 $")):
        with pytest.raises(ConfigurationError, match="the template has a"):
            wrong.asked(None, {})
    with pytest.raises(ConfigurationError, match="NAME=VALUE"):
        places_of(["x"])


def test_keys_are_kept_and_used(server: ReplayServer, home: dict[str, str]) -> None:
    """A key that is kept is used if no variable is set; it is listed by its provider and shown nowhere."""
    assert run("keys", "set", "opnai", given=KEY, **home).code == 2
    kept = run("keys", "set", "openai", given=f"{KEY}\n", **home)
    assert (kept.code, kept.out, KEY in kept.err) == (0, "", False)
    file = Path(home["MIIFLOW_LLM_HOME"]) / "keys.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    listed = run("keys", "list", **home)
    assert listed.out.startswith("openai\t")
    assert KEY not in listed.out
    ran = run(*asking(server, "Hello"), OPENAI_API_KEY="", **home)
    assert (ran.code, ran.err) == (0, "")
    assert "OPENAI_API_KEY is set" in run("providers", OPENAI_API_KEY="", **home).out
    assert run("keys", "remove", "openai", **home).code == 0
    none = run(*asking(server, "Hello"), OPENAI_API_KEY="", **home)
    assert (none.code, "keys set openai" in none.err) == (2, True)


class Ring:
    """A keyring, as the package has it."""

    def __init__(self, *, broken: bool = False) -> None:
        self.kept = dict[tuple[str, str], str]()
        self.broken = broken
        self.priority = 5

    def get_keyring(self) -> Ring:
        """Itself."""
        return self

    def set_password(self, service: str, name: str, key: str) -> None:
        """Keep it, if it can."""
        if self.broken:
            raise RuntimeError("locked")
        self.kept[service, name] = key

    def get_password(self, service: str, name: str) -> str | None:
        """Give it."""
        return self.kept.get((service, name))

    def delete_password(self, service: str, name: str) -> None:
        """Forget it."""
        del self.kept[service, name]


def test_the_systems_keyring(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where there is a keyring the file has no key; one that is locked is passed over."""
    monkeypatch.setenv("MIIFLOW_LLM_HOME", str(tmp_path))
    monkeypatch.delenv("MIIFLOW_LLM_NO_KEYRING", raising=False)
    monkeypatch.setenv("GROQ_API_KEY", "")
    ring = Ring()
    monkeypatch.setitem(sys.modules, "keyring", ring)
    assert stored_keys.set_key("groq", KEY) == "the keyring"
    assert KEY not in (tmp_path / "keys.json").read_text()
    stored_keys.use_stored()
    assert os.environ["GROQ_API_KEY"] == KEY
    stored_keys.remove_key("groq")
    assert (ring.kept, stored_keys.stored()) == ({}, {})
    ring.broken = True
    assert stored_keys.set_key("groq", KEY) == str(tmp_path / "keys.json")
    assert KEY not in repr(stored_keys.stored())


TOOLS = '''
def get_tide(port: str) -> str:
    """The time of high water."""
    return f"06:10 at {port}"

not_a_tool = 5
'''


def test_tools_that_can_be_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A function of a module or a file; what is none is told by its name."""
    (tmp_path / "tides_of_a_test.py").write_text(TOOLS)
    (tmp_path / "broken_in_a_test.py").write_text("1 / 0")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    assert loaded("tides_of_a_test:get_tide")("Oban") == "06:10 at Oban"
    assert loaded(f"{tmp_path}/tides_of_a_test.py:get_tide")("Mull") == "06:10 at Mull"
    for wrong, words in {
        "get_tide": "module:function",
        "nowhere:f": "nowhere",
        "nowhere.py:f": "no file",
        "tides_of_a_test:other": "has no other",
        "tides_of_a_test:not_a_tool": "not_a_tool",
        "broken_in_a_test:f": "ZeroDivisionError",
    }.items():
        with pytest.raises(ConfigurationError, match=words):
            loaded(wrong)


def test_a_tool_is_asked_for_at_the_terminal(tmp_path: Path, home: dict[str, str]) -> None:
    """Each call is shown and run if the user says so; without a terminal --yes is needed; all of it is kept."""
    (tmp_path / "tides.py").write_text(TOOLS)
    calls = fake_pair("openai_chat", tool_calls=[("get_tide", {"port": "Oban"})])
    at = ["--tool", f"{tmp_path}/tides.py:get_tide", "--parameters", '{"metadata": null}']
    with serving(calls, match=("streaming",)) as server:
        refused = run(*asking(server, "Tides?", *at), **home)
        assert (refused.code, "--yes" in refused.err, server.requests) == (2, True, [])
        terminal = Terminal(*asking(server, "Tides?", *at), **home)
        terminal.until("lways: ")
        terminal.type("n\n")
        terminal.until("lways: ", 2)
        terminal.type("a\n")
        terminal.end()
        seen = plain(terminal.seen)
        assert 'get_tide({"port":"Oban"})' in seen.replace('": "', '":"')
        results = [one["content"] for one in server.requests[-1].body["messages"] if one["role"] == "tool"]
        assert results[0] != results[1] == "06:10 at Oban"


def test_a_conversation_at_a_terminal(server: ReplayServer, home: dict[str, str]) -> None:
    """Several lines, help, another conversation, and an end by word."""
    terminal = Terminal(*asking(server), **home)
    terminal.until("> ")
    terminal.type("/help\n")
    terminal.until("/multi")
    terminal.until("Ctrl-D", 2)
    terminal.type("/mlti\n")
    terminal.until("no command")
    terminal.type("/multi\none\ntwo\n/end\n")
    terminal.until("tokens")
    terminal.type("/new\nthird\n")
    terminal.until("tokens", 2)
    terminal.type("exit\n")
    assert terminal.end() == 0
    asked = [[one["content"] for one in request.body["messages"]] for request in server.requests]
    assert asked == [["one\ntwo"], ["third"]]
    assert len(run("logs", "-s", **home).out.splitlines()) == 2


def test_ctrl_c_shows_nothing_twice(home: dict[str, str]) -> None:
    """An answer that is stopped stands there once, as it was."""
    words = " ".join(f"word{number}" for number in range(40))
    with serving(fake_pair("openai_chat", text=words), match=("streaming",)) as server:
        server.pace = 0.1
        terminal = Terminal(*asking(server), **home)
        terminal.until("> ")
        terminal.type("Hello\n")
        terminal.until("word1")
        terminal.process.send_signal(signal.SIGINT)
        terminal.until("stopped; the turn is not kept")
        after = terminal.seen.rpartition("\x1b[2K")[2]
        assert plain(after).count("word0 ") <= 1
        terminal.type("quit\n")
        assert terminal.end() == 0
    assert terminal.seen.count("stopped; the turn is not kept") == 1
    assert run("logs", "--json", **home).out == ""

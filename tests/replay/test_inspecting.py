"""Looking at captures: show, compare, check, import, and the file that a key is read from."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest

from miiflow_llm.replay.__main__ import main
from miiflow_llm.replay.capture import Capture
from miiflow_llm.replay.explain import main as explain
from miiflow_llm.replay.fake import FakeError, fake_body
from miiflow_llm.replay.inspecting import compare, problems, show
from miiflow_llm.replay.reading import read
from miiflow_llm.replay.server import serving
from miiflow_llm.replay.store import load_folder, save
from tests.captured import own

BODY = (
    b'data: {"choices":[{"delta":{"content":"Twice"}}]}\n\ndata: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\n'
)
SECRET = "gsk_" + "a1B2" * 8


def timed(**changes: object) -> Capture:
    """A stream of two events, the first in two reads."""
    capture = Capture(
        name="text", provider="openai", dialect="openai_chat", model="m-1", streaming=True, path="/v1/x", body=BODY
    )
    fields: dict[str, object] = {"reads": [(1.0, 5), (20.5, len(BODY) - 10), (90.0, 5)], "head_ms": 7.0}
    return msgspec.structs.replace(capture, **{**fields, **changes})


def test_frames_stand_beside_their_chunks() -> None:
    """Each frame is shown at the time its last byte came, and its chunk under it; long lines are cut on demand."""
    lines = list(show(timed()))
    first = next(place for place, line in enumerate(lines) if "Twice" in line and "|" in line)
    assert lines[first].split(" | ")[0].strip() == "20.5"
    assert lines[first + 1].strip() == '-> {"delta":"Twice"}'
    assert lines[first + 2].split(" | ")[0].strip() == "90.0"
    assert lines[-1].startswith("finish stop (stop)")
    assert "head after 7.0 ms" in lines[1]
    assert max(map(len, show(timed(), width=20))) == 20
    assert all(line.split(" | ")[0].strip() == "-" for line in show(timed(reads=None)) if " | " in line)


def test_binary_messages_are_shown_in_words() -> None:
    """A message is its event's name and its payload; one that is broken or cut is shown as it stands."""
    capture = fake_body("bedrock_converse", text="Twice a")
    lines = [line.split(" | ")[1] for line in show(capture, width=None) if " | " in line]
    assert lines[:2] == ['messageStart {"role":"assistant"}', said(0, "Twice ")]
    assert lines[-2].startswith('metadata {"usage":{')
    assert " application/vnd.amazon.eventstream, " in "".join(show(capture))
    broken = msgspec.structs.replace(capture, body=capture.body.replace(b"Twice", b"Never")[:-5])
    shown = [line.split(" | ")[1] for line in show(broken, width=None) if " | " in line]
    assert "\\x" in shown[1]
    assert "Never" in shown[1]
    assert shown[2] == said(0, "a")
    assert ":event-type" in shown[-1]


def said(index: int, text: str) -> str:
    """How a piece of text is shown."""
    return f'contentBlockDelta {{"contentBlockIndex":{index},"delta":{{"text":"{text}"}}}}'


def test_a_frame_comes_with_the_read_that_ends_it() -> None:
    """A frame whose last byte is the last of a read has that read's time, not the next one's."""
    first = BODY.index(b"\n\n") + 2
    reading = read(timed(reads=[(1.0, first), (9.0, len(BODY) - first)]))
    assert [frame.at_ms for frame in reading.frames if frame.data] == [1.0, 9.0]


def test_compare_ignores_cuts_and_times() -> None:
    """Captures that say the same do not differ, however they were read; another word does."""
    assert compare(timed(), timed(name="other", reads=None, origin="recorded")) == []
    changed = timed(body=BODY.replace(b"Twice", b"Never"))
    difference = compare(timed(), changed)
    assert '-{"delta":"Twice"}' in difference
    assert '+{"delta":"Never"}' in difference
    assert compare(timed(), timed(status=500))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({}, []),
        ({"reads": None, "body": BODY[:60]}, ["not complete"]),
        ({"reads": None, "body": BODY[:60], "expected": {"outcome": "interrupted"}}, []),
        ({"reads": None, "body": BODY[:60], "expected": {"outcome": "finished"}}, ["not complete"]),
        ({"partial": True}, ["partial"]),
        ({"reads": [(1.0, 5)]}, ["5 of"]),
        ({"dialect": "klingon"}, []),
        ({"dialect": "klingon", "streaming": False, "body": b"{", "reads": None}, ["not whole JSON"]),
        ({"reads": None, "body": BODY[:60], "expected": {"error": True}}, []),
        ({"request": {"user": SECRET}}, ["request holds what looks like a Groq key"]),
        ({"headers": {"x-a": SECRET}}, ["headers holds"]),
        ({"source": SECRET}, ["source holds"]),
        ({"body": BODY.replace(b"Twice", SECRET.encode()), "reads": None}, ["body holds"]),
        ({"body": b"data: {]\n\n", "reads": None}, ["not complete"]),
        ({"streaming": False, "body": b"{", "reads": None}, ["not complete"]),
        ({"status": 429, "body": b'{"error":{"message":"slow"}}', "reads": None}, []),
    ],
)
def test_what_is_wrong_is_told(changes: dict[str, object], told: list[str]) -> None:
    """A check tells each kind of fault once, never the secret, and nothing of a capture that is as it should be."""
    found = problems(timed(**changes))
    assert len(found) == len(told)
    for line, part in zip(found, told, strict=True):
        assert part in line
        assert SECRET not in line


def test_what_nobody_speaks_is_shown_unread(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of a dialect that nobody speaks the frames are shown with their times; a check counts it apart, as no fault."""
    lines = list(show(timed(dialect="klingon")))
    assert [line.split(" | ")[0].strip() for line in lines if " | " in line] == ["20.5", "90.0"]
    assert lines[-1] == "not read: nobody here speaks 'klingon'"
    save(timed(dialect="klingon"), tmp_path)
    assert main(["check", str(tmp_path)]) == 0
    assert capsys.readouterr().out == "1 captures checked, 0 with problems; 1 klingon not read\n"


def test_our_own_captures_are_sound() -> None:
    """Every capture of the project decodes, ends as it says it does, and holds nothing like a secret."""
    assert {capture.key: found for capture in own() if (found := problems(capture))} == {}


def test_an_error_in_a_stream_is_read() -> None:
    """What came before an error is kept beside it."""
    error = FakeError("overloaded", midstream=True)
    reading = read(fake_body("anthropic_messages", text="Twice a day.", error=error))
    assert not reading.complete
    assert reading.error is not None
    assert [chunk.delta for frame in reading.frames for chunk in frame.chunks if chunk.delta]


def test_explain_shows_a_body_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`explain` shows a body of which nothing else is known as `show` does; what is not there is told in a line."""
    (tmp_path / "saved.sse").write_bytes(BODY)
    assert explain(["openai_chat", str(tmp_path / "saved.sse")]) == 0
    assert capsys.readouterr().out.rstrip().splitlines()[-2].startswith('message {"role":"assistant","content":"Twice"')
    (tmp_path / "saved.json").write_bytes(b'{"choices":[{"message":{"content":"Once"},"finish_reason":"stop"}]}')
    assert explain(["openai_chat", str(tmp_path / "saved.json")]) == 0
    assert '"content":"Once"' in capsys.readouterr().out.rstrip().splitlines()[-2]
    assert explain(["openai_chat", str(tmp_path / "none.sse")]) == 2
    assert explain(["klingon"]) == 2
    assert "there are anthropic_messages, " in capsys.readouterr().err


def test_the_commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`show`, `compare` and `check` print, and tell by their status whether all is well."""
    save(timed(), tmp_path)
    save(timed(name="never", body=BODY.replace(b"Twice", b"Never")), tmp_path)
    text, never = str(tmp_path / "openai" / "text"), str(tmp_path / "openai" / "never")
    assert main(["show", text, "--full"]) == 0
    assert '-> {"delta":"Twice"}' in capsys.readouterr().out
    assert main(["compare", text, text]) == 0
    assert main(["compare", text, never]) == 1
    assert '+{"delta":"Never"}' in capsys.readouterr().out
    assert main(["check", str(tmp_path)]) == 0
    assert capsys.readouterr().out == "2 captures checked, 0 with problems\n"
    save(timed(partial=True), tmp_path)
    assert main(["check", str(tmp_path)]) == 1
    assert "openai/text: it is partial" in capsys.readouterr().out
    (tmp_path / "empty").mkdir()
    assert main(["check", str(tmp_path / "empty")]) == 1
    assert main(["show", str(tmp_path / "nowhere")]) == 1


def test_import_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`import` writes a cassette's captures and prints their files; a listed text is not in them."""
    pytest.importorskip("yaml")
    cassette = tmp_path / "tides.yaml"
    cassette.write_text(
        "interactions:\n- request: {method: POST, uri: 'https://api.openai.com/v1/chat/completions', body: '{}'}\n"
        "  response: {status: {code: 200}, body: {string: 'listed-value'}}\nversion: 1\n",
        encoding="utf-8",
    )
    assert main(["import", str(cassette), "--folder", str(tmp_path / "out"), "--redact", "listed-value"]) == 0
    [capture] = load_folder(tmp_path / "out")
    assert capture.body == b"x" * len("listed-value")
    assert capsys.readouterr().out == f"{capture.file}\n"


def test_a_key_file_is_read_when_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`capture` reads a key from `--env-file` alone: a `.env` that lies there is not touched unless named."""
    monkeypatch.setattr(os, "environ", {**os.environ})
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("OPENAI_API_KEY=key-5e4d3c2b1a\n", encoding="utf-8")
    with serving([fake_body("openai_chat", text="Twice a day.", name="text")]) as server:
        url = server.url_for("openai", "text")
        command = ["capture", "openai", "tides", "--model", "m-1", "--dialect", "openai_chat", "--base-url", url]
        command += ["--folder", str(tmp_path / "out")]
        assert main(command) == 1
        assert main([*command, "--env-file", "nowhere.env"]) == 1
        assert "nowhere.env" in capsys.readouterr().err
        assert main([*command, "--env-file", ".env"]) == 0
    assert "Twice a day." in capsys.readouterr().out
    for path in (tmp_path / "out").rglob("*"):
        assert path.is_dir() or b"key-5e4d3c2b1a" not in path.read_bytes()


def test_explain_shows_what_is_mere_text(capsys: pytest.CaptureFixture[str]) -> None:
    """Before the function that reads an event stands what a frame may have that is read by types alone."""
    assert explain(["anthropic_messages"]) == 0
    functions = capsys.readouterr().out.partition("\n# content_block_delta\n")[2]
    assert functions.startswith("#   mere text: delta.text is text\n#   mere text: index is key\n")
    assert explain(["gemini_generate"]) == 0
    assert "#   mere text: candidates[].content.parts[].thought is false\n" in capsys.readouterr().out
    assert explain(["openai_chat"]) == 0
    assert "mere text" not in capsys.readouterr().out.partition("# whole answer")[2]


def test_explain_shows_tables_as_they_are_written(capsys: pytest.CaptureFixture[str]) -> None:
    """Each word and converter is the call that makes it; then the functions that write for a model."""
    assert explain(["openai_chat", "--provider", "groq"]) == 0
    shown = capsys.readouterr().out
    assert '      "model": take("model"),\n' in shown
    assert '      "stream_options": {"include_usage": when("stream", True)},\n' in shown
    assert "      ImageBlock: by_role(\n          user=inside(" in shown
    assert '      ReasoningBlock: joined("reasoning", take("text"), own="model"),\n' in shown
    assert '      AudioBlock: refused("Groq takes no audio in a chat; send a transcript as text"),\n' in shown
    assert 'take("reasoning", through=effort("low", "medium", "high"))' in shown
    assert "Take(" not in shown
    assert "# a request to openai/gpt-oss-120b\ndef " in shown
    assert "\ndef body(request, messages" in shown
    assert explain(["anthropic_messages", "--model", "claude-2"]) == 0
    assert "# a request to claude-2\n" in capsys.readouterr().out

"""Captures on disk."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from miiflow_llm.replay.capture import Capture
from miiflow_llm.replay.errors import CaptureError, SecretFoundError
from miiflow_llm.replay.store import load, load_folder, load_shared, save

from .made import stream, whole

KEY = "sk-proj-" + "4f9aB2" * 6
LIVE = {"headers": {"content-type": "text/event-stream"}, "origin": "recorded", "source": "api.example.com"}


def same(found: Capture, saved: Capture) -> bool:
    """Whether two captures are alike but for where they lie."""
    return msgspec.structs.replace(found, file=None) == msgspec.structs.replace(saved, file=None)


@pytest.mark.parametrize(
    "capture",
    [
        stream(body=b"data: \xff\xfe\r\n\r\ndata: \r\r\x00", **LIVE, reads=[(0.5, 3), (12.25, 9)], head_ms=7.5),
        whole(partial=True, status=429, expected={"outcome": "error"}),
        stream("n", dialect="ollama_chat", headers={"content-type": "application/x-ndjson"}, method="GET"),
        stream("unknown_request", request=None, headers={}),
    ],
    ids=lambda capture: capture.name,
)
def test_what_was_saved_is_loaded(capture: Capture, tmp_path: Path) -> None:
    """Saving and loading give the capture again, to the byte, by any of its three paths."""
    body = save(capture, tmp_path)
    stem = tmp_path / capture.provider / capture.name
    assert body.read_bytes() == capture.body
    for path in (body, stem, stem.with_name(stem.name + ".meta.json")):
        assert same(load(path), capture)
    assert load_folder(tmp_path) == load_folder(tmp_path / capture.provider) == [load(body)]


def test_saving_again_replaces(tmp_path: Path) -> None:
    """A capture that is saved again, as another kind of body, leaves nothing of the first."""
    save(stream("a"), tmp_path)
    save(whole("a"), tmp_path)
    assert [capture.body for capture in load_folder(tmp_path)] == [whole().body]
    assert sorted(path.name for path in (tmp_path / "openai").iterdir()) == ["a.json", "a.meta.json"]


@pytest.mark.parametrize("name", ["../up", "a/b", "", ".hidden", "a..b", "a\\b", "a\0b", "x.json", "x.meta", "a" * 200])
@pytest.mark.parametrize("part", ["name", "provider"])
def test_names_stay_in_the_folder(part: str, name: str, tmp_path: Path) -> None:
    """No name writes outside the folder, or a file that would not be found again."""
    with pytest.raises(CaptureError):
        save(msgspec.structs.replace(stream(), **{part: name}), tmp_path / "inside")
    assert list(tmp_path.rglob("*")) == []


def test_a_link_does_not_lead_out(tmp_path: Path) -> None:
    """A provider's folder that is a link to elsewhere is not written to."""
    (tmp_path / "inside").mkdir()
    (tmp_path / "outside").mkdir()
    (tmp_path / "inside" / "openai").symlink_to(tmp_path / "outside")
    with pytest.raises(CaptureError, match="leads out"):
        save(stream(), tmp_path / "inside")
    assert list((tmp_path / "outside").iterdir()) == []


@pytest.mark.parametrize(
    ("where", "changes"),
    [
        ("body", {"body": f'data: {{"error":"Incorrect key: {KEY}"}}\n\n'.encode()}),
        ("request", {"request": {"metadata": {"key": KEY}}}),
        ("headers", {"headers": {"x-echo": "Bearer " + "a1B2c3d4" * 4}}),
        ("headers", {"headers": {"set-cookie": "session=1"}}),
        ("headers", {"headers": {"openai-organization": "acme"}, "origin": "recorded"}),
        ("path", {"path": "/v1/models?key=abc"}),
        ("meta file", {"source": f"with {KEY}"}),
    ],
)
def test_a_secret_is_not_written(where: str, changes: dict, tmp_path: Path) -> None:
    """A credential anywhere in a capture keeps it off the disk, and the message does not tell it."""
    with pytest.raises(SecretFoundError) as caught:
        save(stream(**changes), tmp_path)
    assert caught.value.where == where
    assert KEY not in str(caught.value)
    assert list(tmp_path.rglob("*")) == []


def test_a_file_without_its_partner_is_told(tmp_path: Path) -> None:
    """A body without a meta file, and a meta file without a body, are errors that name the file."""
    body = save(stream(), tmp_path)
    meta = body.with_name("text.meta.json")
    body.rename(body.with_name("other.sse"))
    with pytest.raises(CaptureError, match="no body"):
        load(meta)
    meta.unlink()
    with pytest.raises(CaptureError, match=r"other\.sse has no other\.meta\.json"):
        load_folder(tmp_path)
    with pytest.raises(CaptureError, match="no folder"):
        load_folder(tmp_path / "nowhere")


def test_a_meta_file_that_does_not_fit_is_told(tmp_path: Path) -> None:
    """A meta file with a field of the wrong type is an error that names file and field."""
    body = save(stream(), tmp_path)
    meta = body.with_name("text.meta.json")
    meta.write_text(meta.read_text().replace('"status": 200', '"status": "ok"'))
    with pytest.raises(CaptureError, match=r"text\.meta\.json.*status"):
        load(body)


def test_two_of_one_name_are_told(tmp_path: Path) -> None:
    """Two captures of a provider with the same name, in different folders, are an error."""
    save(stream(), tmp_path / "a")
    save(stream(), tmp_path / "b")
    with pytest.raises(CaptureError, match="both called openai/text"):
        load_folder(tmp_path)


def test_the_shared_layout_is_read(tmp_path: Path) -> None:
    """A capture in the layout `.body`, `.json`, `.expected.json` has the same fields."""
    meta = {
        "provider": "xai", "dialect": "openai_chat", "model": "g", "streaming": True, "http_status": 200,
        "response_headers": {"content-type": "text/event-stream"}, "request_path": "/v1/chat/completions",
        "request_body": {"stream": True}, "source_repo": "a/b", "source_path": "c.yaml", "commit": "1f",
    }  # fmt: skip
    (tmp_path / "one-1f.body").write_bytes(b"data: 1\r\n\r\n")
    (tmp_path / "one-1f.json").write_bytes(msgspec.json.encode(meta))
    (tmp_path / "one-1f.expected.json").write_bytes(b'{"text":"x"}')
    [capture] = load_shared(tmp_path)
    assert (capture.key, capture.body, capture.status) == ("xai/one-1f", b"data: 1\r\n\r\n", 200)
    assert (capture.path, capture.request) == ("/v1/chat/completions", {"stream": True})
    assert (capture.origin, capture.source, capture.expected) == ("recorded", "a/b:c.yaml@1f", {"text": "x"})

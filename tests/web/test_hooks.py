"""What a service adds to an answer: tools it runs, turns it stores, preferences it keeps, and its OpenAPI document."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anyio
import httpx
import msgspec
import pytest

from miiflow_llm.trials import SqliteLog, Trial, open_log, report_of
from miiflow_llm.trials.records import Exposure, Result, Score
from miiflow_llm.web import Caller, Turn, create_app
from miiflow_llm.web.demo import demo_app

from .talking import USAGE, Talking, calls, says
from .test_asgi import HELLO, browser, post, replaying

pytestmark = pytest.mark.anyio


def high_water(harbour: str) -> str:
    """When the next high water is."""
    if harbour == "Atlantis":
        raise ValueError("the password of the table is 1234")
    return f"{harbour}: 12:25"


def frames_of(response: httpx.Response) -> list[dict[str, Any]]:
    """The frames of an answer in lines of JSON."""
    return [msgspec.json.decode(line) for line in response.text.splitlines()]


NDJSON = {"accept": "application/x-ndjson"}


async def test_the_service_runs_its_tools() -> None:
    """Calls and results stand between the answers, and the last frame has all that is to be sent again."""
    model = Talking(calls("high_water", '{"harbour": "Husum"}'), says("At 12:25."))
    app = create_app(model.client, tools=[high_water])
    frames = frames_of(await post(app, {"messages": HELLO}, **NDJSON))
    assert [frame["type"] for frame in frames if "type" in frame] == ["tool_started", "tool_finished", "finished"]
    assert [frame["seq"] for frame in frames] == list(range(len(frames)))
    last = frames[-1]
    assert (last["rounds"], last["usage"]["total_tokens"]) == (2, 20)
    assert [message["role"] for message in last["messages"]] == ["assistant", "tool", "assistant"]
    again = [*HELLO, *last["messages"], {"role": "user", "content": "Sure?"}]
    assert (await post(app, {"messages": again}, **NDJSON)).status_code == 200
    assert [message["role"] for message in model.asked[-1]["messages"]] == [
        "user", "assistant", "tool", "assistant", "user",
    ]  # fmt: skip


async def test_the_whole_answer_with_tools() -> None:
    """`POST /chat` runs them too."""
    model = Talking(calls("high_water", '{"harbour": "Husum"}'), says("At 12:25."))
    answer = (await post(create_app(model.client, tools=[high_water]), {"messages": HELLO}, "/chat")).json()
    assert (answer["content"], answer["rounds"], answer["usage"]["total_tokens"]) == ("At 12:25.", 2, 20)


async def test_what_a_tool_raises_is_not_shown() -> None:
    """The model is told of the failure; the browser learns that there was one."""
    model = Talking(calls("high_water", '{"harbour": "Atlantis"}'), says("I cannot tell."))
    response = await post(create_app(model.client, tools=[high_water]), {"messages": HELLO}, **NDJSON)
    assert "1234" in str(model.asked[-1]["messages"])
    assert "1234" not in response.text
    assert frames_of(response)[-1]["messages"][1]["content"] == "The tool failed."


async def test_tools_are_the_services_or_the_browsers() -> None:
    """A caller has the tools that the service gives it; then the browser may bring none."""

    async def authorize(headers: Any, request: Any) -> Caller:
        return Caller(user=headers["x-user"])

    def tools_of(caller: Caller) -> list[Any]:
        return [high_water] if caller.user == "skipper" else []

    model = Talking(says("Ahoy."))
    app = create_app(model.client, tools=tools_of, authorize=authorize)
    own = [{"name": "mine", "parameters": {"type": "object", "properties": {}}}]
    refused = await post(app, {"messages": HELLO, "tools": own}, **{"x-user": "skipper"})
    assert (refused.status_code, refused.json()["error"]["place"]) == (422, "$.tools")
    taken = await post(app, {"messages": HELLO, "tools": own}, **{"x-user": "guest"})
    assert taken.status_code == 200
    assert [tool["function"]["name"] for tool in model.asked[-1]["tools"]] == ["mine"]


async def test_a_request_that_cannot_be_said_with_tools_is_a_422() -> None:
    """As without tools: the fault is the browser's, and is told before a frame is sent."""
    model = Talking(says("x"))
    messages = [{"role": "tool", "content": "x", "tool_call_id": "a"}]
    for path in ("/chat", "/chat/stream"):
        for app in (create_app(model.client), create_app(model.client, tools=[high_water])):
            assert (await post(app, {"messages": messages, "tool_choice": "nobody"}, path)).status_code == 422


async def stored(app_of: Any, *, path: str = "/chat/stream", messages: Any = HELLO, **body: Any) -> list[Turn]:
    """The turns that one request leaves."""
    turns: list[Turn] = []

    async def on_turn(turn: Turn) -> None:
        turns.append(turn)

    await post(app_of(on_turn), {"messages": messages, **body}, path)
    return turns


@pytest.mark.parametrize("path", ["/chat", "/chat/stream"])
async def test_a_turn_is_stored(path: str) -> None:
    """Who asked what, and the answer with its usage, under the browser's name for the conversation."""

    async def authorize(headers: Any, request: Any) -> Caller:
        return Caller(user="u-7", system="Be brief.")

    def app_of(on_turn: Any) -> Any:
        return create_app(Talking(says("Ahoy.")).client, authorize=authorize, on_turn=on_turn)

    (turn,) = await stored(app_of, path=path, conversation="c-1", temperature=0.5)
    assert (turn.outcome, turn.caller.user, turn.conversation) == ("finished", "u-7", "c-1")
    assert [message.role for message in turn.asked] == ["system", "user"]
    assert [message.text for message in turn.answered] == ["Ahoy."]
    assert turn.usage.total_tokens == USAGE["total_tokens"]
    assert turn.parameters == {"temperature": 0.5, "user": "u-7"}
    assert turn.response is not None
    assert turn.response.content == "Ahoy."


@pytest.mark.parametrize("path", ["/chat", "/chat/stream"])
async def test_a_turn_with_tools_is_stored_whole(path: str) -> None:
    """Calls and results are part of what was answered."""

    def app_of(on_turn: Any) -> Any:
        model = Talking(calls("high_water", '{"harbour": "Husum"}'), says("At 12:25."))
        return create_app(model.client, tools=[high_water], on_turn=on_turn)

    (turn,) = await stored(app_of, path=path)
    assert [message.role for message in turn.answered] == ["assistant", "tool", "assistant"]
    assert turn.usage.total_tokens == 20


@pytest.mark.parametrize("path", ["/chat", "/chat/stream"])
async def test_a_failed_turn_is_told(path: str) -> None:
    """With the error, which has what had come."""
    (turn,) = await stored(lambda hook: create_app(replaying(500, b"{}", {}), on_turn=hook), path=path)
    assert (turn.outcome, type(turn.error).__name__, turn.answered) == ("failed", "ServiceUnavailableError", [])
    (turn,) = await stored(demo_with, model="cut-short")
    assert turn.outcome == "failed"
    assert turn.response is not None
    assert turn.response.content.startswith("Tides")


def demo_with(on_turn: Any, pace: float = 0.0) -> Any:
    """The demonstration with a hook for turns."""
    return demo_app(pace=pace, on_turn=on_turn)


async def test_an_abandoned_turn_is_told() -> None:
    """A browser that leaves: what had come until then is stored, even though the request is cancelled."""
    turns: list[Turn] = []

    async def on_turn(turn: Turn) -> None:
        await anyio.sleep(0.01)
        turns.append(turn)

    app = demo_with(on_turn, pace=0.01)
    left = anyio.Event()
    body = msgspec.json.encode({"messages": HELLO, "model": "text"})
    asked = iter([{"type": "http.request", "body": body, "more_body": False}])

    async def receive() -> dict[str, Any]:
        for message in asked:
            return message
        await left.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        if message.get("body"):
            left.set()

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/chat/stream",
        "headers": [(b"content-type", b"application/json")],
    }
    await app(scope, receive, send)
    assert [turn.outcome for turn in turns] == ["abandoned"]
    assert turns[0].answered[0].text.startswith("Tides")
    assert not turns[0].answered[0].text.endswith("🌊")


@pytest.mark.parametrize("path", ["/chat", "/chat/stream"])
async def test_a_hook_that_raises_hurts_nobody(path: str, caplog: pytest.LogCaptureFixture) -> None:
    """The answer goes on; the failure stands in the log. A hook need not be asynchronous."""

    def on_turn(turn: Turn) -> None:
        raise RuntimeError("the disk is full")

    response = await post(create_app(Talking(says("Ahoy.")).client, on_turn=on_turn), {"messages": HELLO}, path)
    assert response.status_code == 200
    assert "on_turn raised" in caplog.text


SIDES = [{"provider": "replay", "model": "text"}, {"provider": "replay", "model": "reasoning"}]


def kept(path: Path) -> Any:
    """The demonstration with a log of preferences."""
    return demo_app(pace=0, trial_log=path)


@pytest.mark.parametrize("suffix", ["jsonl", "sqlite"])
async def test_a_preference_is_a_score_in_the_log(tmp_path: Path, suffix: str) -> None:
    """One exposure, one result and one score a comparison; the report names who is preferred."""
    path = tmp_path / f"log.{suffix}"
    app = kept(path)
    async with browser(app) as client:
        assert (await client.get("/models")).json()["preferences"] is True
        for number in range(60):
            body = {"comparison": f"c-{number}", "answers": SIDES[:: 1 if number % 2 else -1]}
            body["preferred"] = 0 if number % 2 else 1  # always "text"
            assert (await client.post("/preferences", json=body)).status_code == 204
    app.service._preferences._log.close()
    log = open_log(path)
    records = list(log.read())
    log.close()
    name = "replay:reasoning | replay:text"
    assert {record.trial for record in records} == {name}
    assert [len([each for each in records if isinstance(each, kind)]) for kind in (Exposure, Result, Score)] == [60] * 3
    report = report_of(name, records)
    means = {arm.arm: arm.metrics["score"].value for arm in report.arms}
    assert means == {"replay:text": 1.0, "replay:reasoning": 0.0}
    assert not report.broken


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"comparison": "c", "answers": SIDES, "preferred": None}, 204),
        ({"comparison": "c", "answers": SIDES, "preferred": 2}, 422),
        ({"comparison": "c", "answers": SIDES[:1], "preferred": 0}, 422),
        ({"comparison": "c", "answers": [SIDES[0], SIDES[0]], "preferred": 0}, 422),
        ({"comparison": "c", "answers": [SIDES[0], {"provider": "replay", "model": "else"}], "preferred": 0}, 422),
        ({"answers": SIDES, "preferred": 0}, 422),
    ],
    ids=str,
)
async def test_what_is_not_a_preference_is_refused(tmp_path: Path, body: Any, status: int) -> None:
    """Two answers, of two models that are offered here."""
    assert (await post(kept(tmp_path / "log.jsonl"), body, "/preferences")).status_code == status


async def test_without_a_log_nothing_is_kept() -> None:
    """Then there is no such address, and the page is told."""
    app = demo_app(pace=0)
    body = {"comparison": "c", "answers": SIDES, "preferred": 0}
    assert (await post(app, body, "/preferences")).status_code == 404
    async with browser(app) as client:
        assert (await client.get("/models")).json()["preferences"] is False


async def test_one_persons_comparisons_are_of_one_unit(tmp_path: Path) -> None:
    """Who is signed in counts as one unit, however often that person compares."""

    async def authorize(headers: Any, request: Any) -> Caller:
        return Caller(user="u-7")

    log = SqliteLog(tmp_path / "log.sqlite")
    models = {"here": ["a", "b"]}
    app = create_app({"here": Talking(says("x")).client}, models=models, authorize=authorize, trial_log=log)
    sides = [{"provider": "here", "model": model} for model in ("a", "b")]
    async with browser(app) as client:
        for number in range(3):
            body = {"comparison": f"c-{number}", "answers": sides, "preferred": 0}
            assert (await client.post("/preferences", json=body)).status_code == 204
    records = list(log.read())
    log.close()
    assert len([record for record in records if isinstance(record, Exposure)]) == 1
    assert len({record.value for record in records if isinstance(record, Score)}) == 1


async def test_a_thumb_reaches_the_trial(tmp_path: Path) -> None:
    """If the client is a trial, its answers have a `call_id`, under which a mark is a score."""
    first, second = Talking(says("a"), model="a").client, Talking(says("b"), model="b").client
    trial = Trial("t", {"a": first, "b": second}, goal="score", log=tmp_path / "t.jsonl")
    app = create_app(trial)
    frames = frames_of(await post(app, {"messages": HELLO}, **NDJSON))
    call_id = frames[-1]["call_id"]
    assert (await post(app, {"call_id": call_id, "value": 1}, "/scores")).status_code == 204
    assert (await post(app, {"call_id": call_id, "value": 3}, "/scores")).status_code == 422
    assert (await post(demo_app(pace=0), {"call_id": "x", "value": 1, "model": "text"}, "/scores")).status_code == 404
    assert [arm.metrics["score"].value for arm in trial.report().arms if "score" in arm.metrics] == [1.0]
    await trial.aclose()


async def test_openapi_tells_what_is_answered() -> None:
    """Every route has its body and its answers, each field of an answer included."""
    fastapi = pytest.importorskip("fastapi", reason="fastapi is not installed")
    from miiflow_llm.web.fastapi import router

    app = fastapi.FastAPI()
    app.include_router(router(Talking(says("Ahoy.")).client, tools=[high_water]), prefix="/api")
    async with browser(app) as client:
        paths = (await client.get("/openapi.json")).json()["paths"]
        whole = (await client.post("/api/chat", json={"messages": HELLO})).json()
        frames = frames_of(await client.post("/api/chat/stream", json={"messages": HELLO}, headers=NDJSON))
    assert set(paths) == {
        f"/api/{name}" for name in ("chat", "chat/stream", "chat/ui", "preferences", "scores", "models")
    }
    answers = paths["/api/chat"]["post"]["responses"]
    assert {"200", "401", "413", "415", "422", "429", "502", "503", "504"} <= set(answers)
    described = answers["200"]["content"]["application/json"]["schema"]["properties"]
    assert set(whole) <= set(described)
    kinds = paths["/api/chat/stream"]["post"]["responses"]["200"]["content"]
    assert set(kinds) == {"text/event-stream", "application/x-ndjson"}
    finished = [one for one in kinds["application/x-ndjson"]["schema"]["oneOf"] if "rounds" in one["properties"]]
    assert set(frames[-1]) <= set(finished[0]["properties"])
    assert "204" in paths["/api/preferences"]["post"]["responses"]

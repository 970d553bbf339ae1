"""Answers in the columns of data engines: by contract everywhere, with real Ray and Dask where they are installed."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from typing import Any

import pytest

from miiflow_llm.bulk.engines import Answers
from miiflow_llm.core.exceptions import ConfigurationError, MiiflowLLMError
from miiflow_llm.replay.fake import FakeError, fake_body
from miiflow_llm.replay.server import ReplayServer, serving


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys come from the environment of the workers."""
    monkeypatch.setenv("OPENAI_API_KEY", "k" * 12)


def served(**options: Any) -> Any:
    """A server with an answer and an error."""
    good = fake_body("openai_chat", name="good", text="Twice.", streaming=False)
    bad = fake_body("openai_chat", name="bad", error=FakeError("closed", status=400), streaming=False)
    good.model, bad.model = "good", "bad"
    return serving([good, bad], **options)


def answers(server: ReplayServer, model: str = "good", **more: Any) -> Answers:
    """Answers of the server."""
    url = server.url_for("openai") + "/v1"
    config = {
        "default_provider": "openai",
        "providers": {"openai": {"models": [model], "base_url": url, "max_retries": 0}},
    }
    return Answers(config, **more)


def test_a_batch_of_columns() -> None:
    """Every row gets its answer beside the columns that were there; what goes through pickle is the same."""
    with served() as server:
        made = pickle.loads(pickle.dumps(answers(server, into="said")))
        found = made({"prompt": ["a", "b", "c"], "id": [1, 2, 3]})
        assert found == {"prompt": ["a", "b", "c"], "id": [1, 2, 3], "said": ["Twice."] * 3, "said_error": [None] * 3}
        assert made({"prompt": []})["said"] == []
        assert made.client is made.client
        assert pickle.loads(pickle.dumps(made))._made is None


def test_errors_are_kept_or_raised() -> None:
    """A row that failed has no answer and a reason; or the first error is raised."""
    with served() as server:
        found = answers(server, "bad")({"prompt": ["a"]})
        assert found["answer"] == [None]
        assert "closed" in found["answer_error"][0]
        with pytest.raises(MiiflowLLMError, match="closed"):
            answers(server, "bad", errors="raise")({"prompt": ["a"]})
        with pytest.raises(ConfigurationError, match="no column 'prompt'; there are text"):
            answers(server)({"text": ["a"]})
    for wrong in ({"concurrency": 0}, {"errors": "drop"}):
        with pytest.raises(ConfigurationError):
            Answers("openai:m", **wrong)


class Frame:
    """What Spark's contract asks of a pandas frame, no more."""

    def __init__(self, columns: dict[str, list[Any]]) -> None:
        self.held = columns

    @property
    def columns(self) -> list[str]:
        """The names."""
        return list(self.held)

    def __getitem__(self, name: str) -> list[Any]:
        return self.held[name]

    def assign(self, **more: list[Any]) -> Frame:
        """Another with more columns."""
        return Frame({**self.held, **more})


def test_frames_one_by_one() -> None:
    """Spark's contract: an iterator of frames in, one out, pulled as it is read."""
    pulled = 0

    def frames() -> Iterator[Frame]:
        nonlocal pulled
        for number in range(3):
            pulled += 1
            yield Frame({"prompt": [f"{number}a", f"{number}b"]})

    with served() as server:
        out = answers(server).partitions(frames())
        first = next(out)
        assert (first["answer"], first["answer_error"], pulled) == (["Twice."] * 2, [None] * 2, 1)
        assert len(list(out)) == 2


def test_real_dask() -> None:
    """Dask: partitions are asked when it computes, and never to guess their columns."""
    dask = pytest.importorskip("dask.dataframe")
    pandas = pytest.importorskip("pandas")
    with served() as server:
        made = answers(server)
        frame = dask.from_pandas(pandas.DataFrame({"prompt": [f"p{n}" for n in range(20)]}), npartitions=4)
        planned = frame.map_partitions(made.partition, meta=made.meta(frame))
        assert server.requests == []
        found = planned.compute(scheduler="threads")
    assert list(found["answer"]) == ["Twice."] * 20
    assert found["answer_error"].isna().all()
    assert len(server.requests) == 20


@pytest.mark.filterwarnings("ignore")
def test_real_ray() -> None:
    """Ray Data: each of two workers makes its own client and asks its share; every row is answered once."""
    ray = pytest.importorskip("ray")
    ray.init(num_cpus=2, include_dashboard=False, logging_level="ERROR")
    try:
        with served() as server:
            made = answers(server, concurrency=2)
            data = ray.data.from_items([{"prompt": f"p{n}"} for n in range(40)], override_num_blocks=10)
            asked = data.map_batches(
                Answers,
                fn_constructor_args=(made.config,),
                fn_constructor_kwargs={"concurrency": 2},
                compute=ray.data.ActorPoolStrategy(size=2),
                batch_size=4,
                num_cpus=0.5,
            )
            found = asked.take_all()
        assert {row["answer"] for row in found} == {"Twice."}
        assert sorted(row["prompt"] for row in found) == sorted(f"p{n}" for n in range(40))
        assert len(server.requests) == 40
    finally:
        ray.shutdown()

"""Answers in a column of a data engine's batches: Ray Data, Dask, Spark, or plain pandas."""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal

from ..client.sync_client import SyncLLMClient
from ..core.exceptions import ConfigurationError, MiiflowLLMError


class Answers:
    """Ask a model for every row of a batch; picklable, since it holds settings and makes its client in the worker.

        dataset.map_batches(Answers("openai:gpt-5-mini"), compute=..., batch_size=64)          # Ray Data
        frame.map_partitions(answers.partition, meta=answers.meta(frame))                      # Dask
        frame.mapInPandas(answers.partitions, schema="prompt string, answer string, answer_error string")  # Spark

    The column `into` has the text of the answer, JSON if `parameters` has a `schema`. The column `answer_error` (after
    the name that `into` gives) says why there is none (`RateLimitError: ...`), and is `None` if there is one.

    Args:
        config: `provider:model`, or what `LLMClient.from_config` takes: a mapping, or the path of a TOML or JSON file.
            Keys are best left to the environment of the workers.
        prompt: the column with the prompts.
        into: the column for the answers.
        concurrency: requests on their way at once, in each worker.
        parameters: those of every call.
        errors: `keep` them in their column, or `raise` the first.

    Raises:
        ConfigurationError: a value that cannot be; the client's own errors come with the first batch.
    """

    def __init__(
        self,
        config: str | Path | Mapping[str, Any],
        *,
        prompt: str = "prompt",
        into: str = "answer",
        concurrency: int = 16,
        parameters: Mapping[str, Any] | None = None,
        errors: Literal["keep", "raise"] = "keep",
    ) -> None:
        if concurrency < 1:
            raise ConfigurationError(f"concurrency={concurrency!r}: a number of at least 1")
        if errors not in ("keep", "raise"):
            raise ConfigurationError(f"errors={errors!r}: 'keep' or 'raise'")
        self.config = config
        self.prompt = prompt
        self.into = into
        self.concurrency = concurrency
        self.parameters = dict(parameters or {})
        self.errors = errors
        self._made: tuple[int, SyncLLMClient] | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_made": None}

    @property
    def error_column(self) -> str:
        """The column with the reason if a prompt was not answered."""
        return f"{self.into}_error"

    def __call__(self, batch: Mapping[str, Any]) -> dict[str, Any]:
        """A batch as a mapping of columns, with the answers: what Ray's `map_batches` asks for.

        Raises:
            ConfigurationError: the column of prompts is missing, or the client cannot be made.
            MiiflowLLMError: a call failed, with `errors="raise"`.
        """
        if self.prompt not in batch:
            raise ConfigurationError(f"there is no column {self.prompt!r}; there are {', '.join(map(str, batch))}")
        answers, reasons = self.asked(list(batch[self.prompt]))
        like = batch[self.prompt]
        return {**batch, self.into: _column(answers, like), self.error_column: _column(reasons, like)}

    def partition(self, frame: Any) -> Any:
        """A pandas frame with the answers: what Dask's `map_partitions` asks for.

        Raises:
            ConfigurationError: as by a call.
            MiiflowLLMError: as by a call.
        """
        columns = {name: frame[name] for name in frame.columns}
        found = self({**columns, self.prompt: list(frame[self.prompt])} if self.prompt in columns else columns)
        return frame.assign(**{self.into: found[self.into], self.error_column: found[self.error_column]})

    def partitions(self, frames: Iterable[Any]) -> Iterator[Any]:
        """Frame by frame: what Spark's `mapInPandas` asks for.

        Raises:
            ConfigurationError: as by a call.
            MiiflowLLMError: as by a call.
        """
        return map(self.partition, frames)

    def meta(self, frame: Any) -> Any:
        """The columns that come out of a Dask or pandas frame, without rows; Dask guesses them by asking otherwise."""
        empty = getattr(frame, "_meta", frame).head(0)
        return empty.assign(**{self.into: empty[self.prompt].astype(object), self.error_column: None}).astype(
            {self.error_column: object}
        )

    def asked(self, prompts: Sequence[Any]) -> tuple[list[str | None], list[str | None]]:
        """Return the answers and the reasons for missing ones: for each prompt one of them is `None`."""
        if not prompts:
            return [], []
        with ThreadPoolExecutor(min(self.concurrency, len(prompts))) as pool:
            found = list(pool.map(self._answer, prompts))
        return [answer for answer, _ in found], [reason for _, reason in found]

    def _answer(self, prompt: Any) -> tuple[str | None, str | None]:
        try:
            return self.client.chat(_messages(prompt), **self.parameters).content, None
        except MiiflowLLMError as error:
            if self.errors == "raise":
                raise
            return None, f"{type(error).__name__}: {error.message}"

    @property
    def client(self) -> SyncLLMClient:
        """The client of this process, made when it is first needed."""
        if self._made is None or self._made[0] != os.getpid():
            self._made = (os.getpid(), _client(self.config))
        return self._made[1]


def _client(config: str | Path | Mapping[str, Any]) -> SyncLLMClient:
    if isinstance(config, str) and ":" in config and not config.endswith((".toml", ".json")):
        provider, _, model = config.partition(":")
        return SyncLLMClient.create(provider, model)
    return SyncLLMClient.from_config(config)


def _messages(prompt: Any) -> Any:
    """A prompt as engines hold it: text, or the messages of an array."""
    return prompt if isinstance(prompt, str) else list(prompt)


def _column(values: list[Any], like: Any) -> Any:
    """The values in the form of another column: an array of objects beside arrays, otherwise a list."""
    if type(like).__module__ != "numpy":
        return values
    numpy: Any = importlib.import_module("numpy")
    made = numpy.empty(len(values), dtype=object)
    made[:] = values
    return made

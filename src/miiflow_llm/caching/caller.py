"""One call through a cache: look, join, ask, keep. Written once, and played by a loop or a thread.

The order of things: what is kept and fresh is given; what is on its way is joined; otherwise one call is made, beside
its readers if the cache is entered, and what it brings is kept if it is fit to be.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from ..calls.hiding import seal
from ..calls.parameters import Messages
from ..core import clock, forks
from ..core.exceptions import MiiflowLLMError
from ..core.price import Cost
from ..core.response import Cached, ChatResponse, Embeddings
from ..core.timeout import Timeout
from .answer import Kept, chunks_of, dumped, kept, loaded, message_of, response_of
from .asked import Asked
from .flight import Flight, copied, is_shared
from .fresh import Freshness, State, may_be_kept
from .key import embedding_key, key_of
from .settings import Settings
from .sources import Alone, Following, Pace, Played, Recording, Source
from .statistics import Statistics
from .telling import Telling
from .waits import Waits

_RETRIES = 2
"""How many calls of others a reader joins before it raises what they met."""
_POLL = (0.05, 1.0)
_SOON = 0.0002


class Caller:
    """Everything a cache does, around one client."""

    def __init__(self, client: Any, settings: Settings, waits: Waits, telling: Telling) -> None:
        self.client = client
        self.telling = telling
        self.settings = settings
        self.waits = waits
        self.statistics = Statistics()
        self.flights: dict[str, Flight] = {}
        self._lock = forks.lock()
        self.now: Callable[[], float] = time.time
        self.draw: Callable[[], float] = random.random
        forks.renew(self)

    def begin_anew(self) -> None:
        """In a forked child: the calls on their way are the parent's, and nobody here makes them."""
        self.flights = {}

    @property
    def fresh(self) -> Freshness:
        """How long answers are good."""
        return self.settings.freshness

    def asked(self, messages: Messages, timeout: Timeout | float | None, parameters: Mapping[str, Any]) -> Asked:
        """A call, with its key.

        Raises:
            MiiflowLLMError: the request cannot be said, or nobody says who owns the answers.
        """
        given = dict(seal(parameters))
        if self.settings.skips(given):
            return Asked(None, messages, given, timeout)
        counted = self.settings.normalised(messages)
        key = key_of(self.client, counted, given, self.settings.tenant)
        return Asked(self._sampled(key), messages, given, timeout)

    def _sampled(self, key: str) -> str:
        """One of the places under the key, if several answers are kept for it."""
        samples = self.settings.samples
        return key if samples == 1 else f"{key}.{int(self.draw() * samples)}"

    async def chat(self, asked: Asked) -> ChatResponse:
        """The whole answer."""
        began = clock.monotonic()
        for attempt in range(_RETRIES + 1):
            found, state = await self._look(asked.key)
            if found is not None and state in ("fresh", "early", "stale"):
                if state != "fresh":
                    self._renew(asked)
                return self._hit(asked, found, stale=state == "stale", began=began)
            flight, leads = self._flight(asked, streams=False)
            try:
                if flight is None:
                    return await self._alone(asked)
                return await self._followed(flight, asked, leads=leads, began=began)
            except MiiflowLLMError as error:
                if not leads and flight is not None and not is_shared(error) and attempt < _RETRIES:
                    continue
                if found is not None and state == "on_error" and not is_shared(error):
                    return self._hit(asked, found, stale=True, began=began)
                raise
        raise AssertionError("unreachable")

    async def _followed(self, flight: Flight, asked: Asked, *, leads: bool, began: float) -> ChatResponse:
        source = Following(flight, self.waits, asked.limits, leads=leads)
        try:
            while not flight.over:
                source._place = flight.came
                await source.wait()
        finally:
            await source.close()
        if flight.error is not None:
            raise flight.error if leads and isinstance(flight.error, MiiflowLLMError) else copied(flight.error)
        assert isinstance(flight.response, ChatResponse)  # noqa: S101  a chat's flight brings one
        return flight.response if leads else self.joined(asked, flight.response, began, stream=False)

    async def _alone(self, asked: Asked) -> ChatResponse:
        """Make the call in the caller's own task."""
        self.statistics.count("misses")
        response: ChatResponse = await self.waits.call(self.client.chat, asked.messages, **asked.given)
        await self._keep(asked, response, None)
        return response

    async def open(self, asked: Asked) -> Source:
        """Where the chunks of a streamed answer come from."""
        began = clock.monotonic()
        found, state = await self._look(asked.key)
        if found is not None and state in ("fresh", "early", "stale"):
            if state != "fresh":
                self._renew(asked)
            return self._played(asked, found, stale=state == "stale", began=began)
        flight, leads = self._flight(asked, streams=True)
        if flight is not None:
            return Following(flight, self.waits, asked.limits, leads=leads)
        self.statistics.count("misses")
        stream = self.client.stream_chat(asked.messages, **asked.given)

        async def settle(response: ChatResponse, recording: Recording) -> None:
            await self._keep(asked, response, recording)

        return Alone(stream, self.waits, settle)

    async def instead(self, asked: Asked, error: MiiflowLLMError) -> Source | None:
        """What is given in place of an error that came before any chunk; `None` if the error is to be raised."""
        if is_shared(error):
            return None
        found, state = await self._look(asked.key)
        if found is None or state == "gone":
            return None
        return self._played(asked, found, stale=state in ("stale", "on_error"), began=clock.monotonic())

    def _played(self, asked: Asked, answer: Kept, *, stale: bool, began: float) -> Played:
        """An answer that was kept, as a stream."""
        self.statistics.hit(answer, stale=stale)
        how: Cached = "stale" if stale else "hit"
        pace: Pace = self.settings.pace
        self.telling.answered(
            "cache_hit", asked, lambda: _marked(response_of(answer), how, answer.cost, began), began, stream=True
        )
        return Played(answer, pace, self.waits, lambda response: _marked(response, how, answer.cost, began))

    async def embed(
        self, texts: list[str], model: str | None, dimensions: int | None, timeout: Timeout | float | None = None
    ) -> Embeddings:
        """Vectors, kept under their texts, model and dimensions."""
        began = clock.monotonic()
        key = embedding_key(self.client, texts, model, dimensions, self.settings.tenant)
        found, state = await self._look(key)
        if found is not None and found.vectors is not None and state in ("fresh", "early", "stale"):
            stale = state == "stale"
            self.statistics.hit(found, stale=stale)
            given = Embeddings(found.vectors, found.model, found.usage)
            self.telling.embedded("cache_hit", key, given, "stale" if stale else "hit", began)
            return given
        self.statistics.count("misses")
        vectors: Embeddings = await self.waits.call(
            self.client.embed, texts, model=model, dimensions=dimensions, timeout=timeout
        )
        now = self.now()
        answer = Kept(created=now, expires=now + self.fresh.life(self.draw()), model=vectors.model,
                      usage=vectors.usage, vectors=vectors.vectors)  # fmt: skip
        if await self._put(key, answer):
            self.telling.embedded("cache_stored", key, vectors, None, began)
        return vectors

    async def forget(self, asked: Asked) -> None:
        """Forget every answer to this call."""
        if asked.key is None:
            return
        base = asked.key.partition(".")[0]
        samples = self.settings.samples
        for key in [base] if samples == 1 else [f"{base}.{number}" for number in range(samples)]:
            await self.waits.ask("delete", key)

    async def _look(self, key: str | None) -> tuple[Kept | None, State]:
        if key is None:
            return None, "gone"
        while (flight := self.flights.get(key)) is not None and flight.over and flight.settling:
            await self.waits.sleep(_SOON)  # an answer that has just come is about to be kept
        data = await self.waits.ask("get", key)
        answer = loaded(data) if isinstance(data, bytes) else None
        if answer is None:
            return None, "gone"
        return answer, self.fresh.state(answer, self.now(), self.draw())

    def _flight(self, asked: Asked, *, streams: bool, behind: bool = False) -> tuple[Flight | None, bool]:
        """The call on its way for this key, joined, or a new one, which is `True`; one made `behind` has no reader.

        `None` if nothing can own a call.
        """
        if asked.key is None:
            return None, True
        with self._lock:
            found = self.flights.get(asked.key)
            if found is not None and found.join(streams=streams):
                return found, False
            finishes = behind or self.settings.finish_abandoned
            flight = Flight(streams=streams, keep_going=finishes, max_bytes=self.settings.max_flight_bytes)
            self.flights[asked.key] = flight
            if not behind:
                flight.join(streams=streams)
            if not self.waits.start(lambda: self._pump(asked, flight), flight):
                del self.flights[asked.key]
                return None, True
        return flight, True

    async def _pump(self, asked: Asked, flight: Flight) -> None:
        """Make the call, for all who read it."""
        token: Any = None
        try:
            token = await self._locked(asked, flight)
            if not flight.over:
                await self._ask(asked, flight)
        except MiiflowLLMError as error:
            flight.fail(error)
        finally:
            if self.flights.get(asked.key or "") is flight:
                del self.flights[asked.key or ""]
            if isinstance(token, str):
                await self.waits.ask("unlock", asked.key, token)

    async def _ask(self, asked: Asked, flight: Flight) -> None:
        self.statistics.count("misses")
        if not flight.streams:
            response: ChatResponse = await self.waits.call(self.client.chat, asked.messages, **asked.given)
            flight.settling, now = True, self.now()
            self._arrive(flight, response)
            await self.waits.sleep(0)  # first who waits, then the store
            await self._keep(asked, response, None, now)
            return
        stream, recording = self.client.stream_chat(asked.messages, **asked.given), Recording()
        try:
            while flight.is_wanted and (chunk := await self.waits.next(stream)) is not None:
                recording.add(chunk)
                if chunk.finish_reason is not None:
                    flight.response, flight.settling = stream.response, True
                flight.put(chunk)
            if recording.is_whole:
                await self._keep(asked, stream.response, recording)
                flight.finish(stream.response)
        finally:
            await self.waits.close(stream)

    async def _locked(self, asked: Asked, flight: Flight) -> Any:
        """Wait while another process makes the same call, but not for ever; what it kept ends this one."""
        if not getattr(self.waits.store.store, "is_shared", False) or flight.keep_going:
            return None
        limit, pause = self.settings.lock_seconds, _POLL[0]
        until = clock.monotonic() + limit
        while True:
            token = await self.waits.ask("lock", asked.key, limit)
            left = until - clock.monotonic()
            if token is not None or left <= 0:
                return token
            await self.waits.sleep(min(pause, left))
            pause = min(pause * 2, _POLL[1])
            found, state = await self._look(asked.key)
            if found is not None and state in ("fresh", "early"):
                self.statistics.hit(found, stale=False)
                self._arrive(flight, _marked(response_of(found), "hit", found.cost, clock.monotonic()), found)
                return None

    def _arrive(self, flight: Flight, response: ChatResponse, answer: Kept | None = None) -> None:
        """The answer came whole: those who read it as a stream have a chunk for each thing it says."""
        flight.response = response
        if flight.streamed:
            for _, chunk in chunks_of(answer or kept(response, [], None, now=0.0, ttl=0.0)):
                flight.put(chunk)
        flight.finish(response)

    def _renew(self, asked: Asked) -> None:
        """Ask again beside what is given, if something can own the call."""
        if asked.key is not None and asked.key not in self.flights:
            flight, leads = self._flight(asked, streams=False, behind=True)
            if flight is not None and not leads:
                flight.leave()  # somebody asks already
            elif flight is not None:
                self.statistics.count("renewed")

    async def _keep(
        self, asked: Asked, response: ChatResponse, recording: Recording | None, now: float | None = None
    ) -> None:
        if asked.key is None:
            return
        if not may_be_kept(response, calls=self.settings.calls):
            self.statistics.count("refused")
            return
        now = self.now() if now is None else now
        steps, log = ([], None) if recording is None else (recording.steps, recording.log)
        began = clock.monotonic()
        if await self._put(asked.key, kept(response, steps, log, now=now, ttl=self.fresh.life(self.draw()))):
            self.telling.answered("cache_stored", asked, lambda: response, began, stream=recording is not None)

    async def _put(self, key: str, answer: Kept) -> bool:
        """Keep an answer; `False` if the store did not."""
        data = dumped(answer)
        if len(data) > self.settings.max_entry_bytes:
            self.statistics.count("refused")
            return False
        if await self.waits.ask("set", key, data, self.fresh.kept_for) is not None:
            return False
        self.statistics.count("stored")
        return True

    def _hit(self, asked: Asked, answer: Kept, *, stale: bool, began: float) -> ChatResponse:
        self.statistics.hit(answer, stale=stale)
        given = _marked(response_of(answer), "stale" if stale else "hit", answer.cost, began)
        self.telling.answered("cache_hit", asked, lambda: given, began, stream=False)
        return given

    def joined(self, asked: Asked, response: ChatResponse, began: float, *, stream: bool) -> ChatResponse:
        """The answer for a reader that joined: its own copy, which costs nothing."""
        self.statistics.count("joined")
        self.statistics.saved(response.usage.total_tokens, response.cost)
        message = message_of(list(response.message.parts), response.message.refusal)
        given = _marked(msgspec.structs.replace(response, message=message), "joined", response.cost, began)
        self.telling.answered("cache_joined", asked, lambda: given, began, stream=stream)
        return given


def _marked(response: ChatResponse, how: Cached, cost: Cost | None, began: float) -> ChatResponse:
    """The answer as one that nobody was asked for just now."""
    response.cache = how
    response.saved = cost
    response.cost = Cost(0.0, cost.currency if cost is not None else "USD", "cache")
    response.attempts = []
    response.rate_limit = None
    response.latency_ms = round((clock.monotonic() - began) * 1000, 3)
    response.time_to_first_token_ms = None
    return response

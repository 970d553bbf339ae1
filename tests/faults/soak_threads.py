"""The soak of the synchronous client: threads in place of tasks, and no cancellation, which threads do not have."""

from __future__ import annotations

import argparse
import random
import time
import warnings
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from threading import Lock

from miiflow_llm import SyncLLMClient
from miiflow_llm.core.exceptions import MiiflowLLMError, TimeoutError

from .helpers import sync_client_at
from .server import FaultServer
from .soak import LIMITS, PATIENCE, TRIES, WORKERS, Count, Row, faulty


class ThreadSoak:
    """The callers' side of one run."""

    def __init__(self, client: SyncLLMClient, streams: int, seconds: float) -> None:
        self.client = client
        self.ended: Counter[str] = Counter()
        self._left = streams
        self._until = time.monotonic() + seconds
        self._lock = Lock()

    def work(self, seed: int) -> None:
        """Make streams until they are all made, each left in a way of its own."""
        dice = random.Random(seed)
        ways = (self.whole, lambda: self._broken_off(dice.randrange(20)), self._dropped, self._raising)
        while self._has_more():
            try:
                ended = dice.choice(ways)()
            except MiiflowLLMError:
                ended = "typed error"
            except Exception as raised:
                ended = f"! {type(raised).__name__}: {raised}"[:200]
            with self._lock:
                self.ended[ended] += 1

    def whole(self) -> str:
        """A stream read to its end."""
        with self.client.stream_chat("Hi") as stream:
            for _ in stream:
                pass
        return "finished" if stream.response.finish_reason == "stop" else "! ended without a finish"

    def serves(self) -> bool:
        """As of the other soak."""
        for _ in range(TRIES):
            try:
                return self.whole() == "finished"
            except TimeoutError:
                continue
        return False

    def _has_more(self) -> bool:
        with self._lock:
            self._left -= 1
            return self._left >= 0 and time.monotonic() < self._until

    def _broken_off(self, most: int) -> str:
        with self.client.stream_chat("Hi") as stream:
            for place, _ in enumerate(stream):
                if place >= most:
                    return "left"
        return "finished"

    def _dropped(self) -> str:
        for _ in self.client.stream_chat("Hi"):
            return "dropped"
        return "finished"

    def _raising(self) -> str:
        try:
            with self.client.stream_chat("Hi") as stream:
                for _ in stream:
                    raise KeyError
        except KeyError:
            return "left by exception"
        return "finished"


def soak_threads(arguments: argparse.Namespace, transport: str) -> Row:
    """One run of `arguments.streams` streams by threads that share a client."""
    server, faults = faulty(arguments.seed)
    with warnings.catch_warnings(), server:
        warnings.simplefilter("ignore", ResourceWarning)  # streams are dropped on purpose
        _pass(server, transport, arguments.seed, min(arguments.streams, 200), arguments.seconds)  # warm up
        server.settled(PATIENCE)
        before, began = Count.now(server), time.monotonic()
        ended = _pass(server, transport, arguments.seed + 1, arguments.streams, arguments.seconds, faults)
        seconds = time.monotonic() - began
        server.settled(PATIENCE)
        after, until = Count.now(server), time.monotonic() + PATIENCE
        while after.holds_more_than(before) and time.monotonic() < until:
            time.sleep(0.05)  # for threads that end
            after = Count.now(server)
    return Row("threads", transport, sum(ended.values()), round(seconds, 1), ended, before, after)


def _pass(
    server: FaultServer, transport: str, seed: int, streams: int, seconds: float, faults: list[bool] | None = None
) -> Counter[str]:
    with sync_client_at(server.url, timeout=LIMITS, max_retries=1, transport=transport) as client:
        soak = ThreadSoak(client, streams, seconds)
        with ThreadPoolExecutor(WORKERS) as threads:
            for done in [threads.submit(soak.work, seed + place) for place in range(WORKERS)]:
                done.result()
        if faults is not None:  # after all that the client must serve as on its first day
            faults[0] = False
            for _ in range(WORKERS):
                if not soak.serves():
                    raise AssertionError("the client no longer serves")
            faults[0] = True
        return soak.ended

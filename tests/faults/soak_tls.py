"""The soak of threads over TLS: each stream asks for a text of its own and must get it, whole, and never in clear.

The server answers well. What is tried is the client: threads by the hundred share its connections, deadlines pass
beside streams that are over, and connections go from hand to hand.
"""

from __future__ import annotations

import argparse
import gc
import json
import random
import ssl
import threading
import time
from collections import Counter

import trustme

from miiflow_llm import SyncLLMClient, Timeout
from miiflow_llm.core.exceptions import MiiflowLLMError, TimeoutError

from .helpers import sync_client_at
from .server import LAST_CHUNK, FaultServer, Request, Steps, Wait, chunk
from .soak import Count, Row
from .wires import OPENAI_CHAT


def certificate() -> tuple[ssl.SSLContext, trustme.CA]:
    """A server's context, and the authority that it is of."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    return context, authority


def echo(request: Request) -> Steps:
    """An answer that says what was asked, in three pieces; `slow` ones pause for longer than their caller waits."""
    asked = json.loads(request.body)["messages"][0]["content"]
    said = OPENAI_CHAT.hel.replace(b"Hel", asked.encode())
    yield OPENAI_CHAT.head() + chunk(OPENAI_CHAT.opening)
    yield chunk(said[:20])
    if asked.startswith("slow"):
        yield Wait(2)
    yield chunk(said[20:])
    yield chunk(OPENAI_CHAT.finish + OPENAI_CHAT.end) + LAST_CHUNK


class TlsSoak:
    """Threads that each make so many streams over one client."""

    def __init__(self, client: SyncLLMClient, threads: int, streams: int, seconds: float) -> None:
        self.client = client
        self.ended: Counter[str] = Counter()
        self._threads = threads
        self._streams = streams
        self._until = time.monotonic() + seconds
        self._lock = threading.Lock()

    def run(self, seed: int) -> Counter[str]:
        """How the streams ended; what begins with `!` must not be."""
        threads = [threading.Thread(target=self._work, args=(seed + place,)) for place in range(self._threads)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return self.ended

    def _work(self, seed: int) -> None:
        dice, mine = random.Random(seed), Counter[str]()
        for number in range(self._streams):
            if time.monotonic() > self._until:
                break
            mine[self._one(f"{seed}/{number}", dice)] += 1
        with self._lock:
            self.ended += mine

    def _one(self, text: str, dice: random.Random) -> str:
        way = dice.random()
        if way < 0.02:
            return self._late(f"slow {text}")
        try:
            with self.client.stream_chat(text) as stream:
                came = ""
                for made in stream:
                    came += made.delta
                    if way > 0.95:
                        return "left"
        except MiiflowLLMError as raised:
            return f"! {type(raised).__name__}: {raised}"[:200]
        return "finished" if came == text else f"! {came!r} in place of {text!r}"[:200]

    def _late(self, text: str) -> str:
        try:
            with self.client.stream_chat(text, timeout=Timeout(idle=0.05, first_output=0.05)) as stream:
                list(stream)
        except TimeoutError:
            return "late"
        except MiiflowLLMError as raised:
            return f"! {type(raised).__name__}: {raised}"[:200]
        return "! not late"


def soak_tls(arguments: argparse.Namespace) -> Row:
    """One run of `arguments.threads` threads, `arguments.each` streams each."""
    context, authority = certificate()

    def script(request: Request) -> Steps:
        if len(server.requests) > 1000:
            server.requests.clear()  # the server's own memory is not the question
        return echo(request)

    with FaultServer(script, context=context, patience=300) as server, authority.cert_pem.tempfile() as roots:
        with sync_client_at(server.url, max_retries=0, http_client=None) as client:
            _trust(client, roots)
            TlsSoak(client, arguments.threads, min(5, arguments.each), arguments.seconds).run(arguments.seed)
            gc.collect()
            before, began = Count.now(server), time.monotonic()
            ended = TlsSoak(client, arguments.threads, arguments.each, arguments.seconds).run(arguments.seed + 1000)
            seconds = time.monotonic() - began
            made = sum(ended.values())
            after = _at_rest(server, before)
            after.sockets, after.fds = min(after.sockets, before.sockets), min(after.fds, before.fds)  # those at rest
        for reason in server.broken_tls:
            ended[f"! not TLS: {reason}"] += 1
    return Row("threads, TLS", "lean", made, round(seconds, 1), ended, before, after)


def _at_rest(server: FaultServer, before: Count) -> Count:
    """The count once threads that end have ended; each connection that was opened since has a thread of the server."""
    until = time.monotonic() + 10
    while True:
        after = Count.now(server)
        after.tasks -= max(0, after.sockets - before.sockets)
        if after.tasks <= before.tasks or time.monotonic() > until:
            return after
        time.sleep(0.05)


def _trust(client: SyncLLMClient, roots: str) -> None:
    """Have the client's own transport trust the test's authority."""
    context = ssl.create_default_context(cafile=roots)
    context.set_alpn_protocols(["http/1.1"])
    client._player.transport._lean._ssl_context = context

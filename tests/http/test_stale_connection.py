"""A kept connection that the server closes under a request counts as an attempt: nothing is sent again in silence."""

from __future__ import annotations

import socket
import threading

import pytest

from miiflow_llm import LLMClient
from miiflow_llm.core.exceptions import NetworkError

ANSWER = b'{"choices":[{"message":{"content":"hi"},"finish_reason":"stop"}]}'
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(ANSWER)


class OneRequestEach:
    """Answers the first request of a connection and closes it at the second, without a word."""

    def __init__(self) -> None:
        self.requests = 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.answer, args=(connection,), daemon=True).start()

    def answer(self, connection: socket.socket) -> None:
        with connection:
            if self.read(connection):
                connection.sendall(HEAD + ANSWER)
                self.read(connection)

    def read(self, connection: socket.socket) -> bool:
        data = b""
        while b"\r\n\r\n" not in data:
            piece = connection.recv(65536)
            if not piece:
                return False
            data += piece
        self.requests += 1
        return True


@pytest.mark.anyio
@pytest.mark.parametrize(("retries", "requests"), [(0, 2), (1, 3)])
async def test_every_request_is_an_attempt(retries: int, requests: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """With no retries the caller is told; with one the second attempt is written down."""
    monkeypatch.setattr("backoff.full_jitter", lambda value: 0.0)
    server = OneRequestEach()
    client = LLMClient.create("openai", "m", "k", base_url=f"http://127.0.0.1:{server.port}", max_retries=retries)
    async with client:
        await client.chat("x")
        if retries:
            response = await client.chat("x")
            assert [attempt.reason for attempt in response.attempts] == ["NetworkError", None]
        else:
            with pytest.raises(NetworkError):
                await client.chat("x")
    server.listener.close()
    assert server.requests == requests

"""The few things that are asked of a raw socket, by its descriptor, whatever event loop it belongs to."""

from __future__ import annotations

import math
import os
import select
import socket
from collections.abc import Iterator

# After a minute of silence a probe goes out each minute, as in the vendors' own clients: a model may think for longer
# than a NAT remembers the connection, and a peer that has gone is noticed after five.
KEEPALIVE = [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)] + [
    (socket.IPPROTO_TCP, getattr(socket, name), value)
    for name, value in (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 60), ("TCP_KEEPCNT", 5))
    if hasattr(socket, name)
]


def is_readable(fileno: int) -> bool:
    """Whether a read of the socket would not block: it has bytes, has been closed by the peer, or is closed."""
    if fileno < 0:
        return True
    if hasattr(select, "poll"):
        poll = select.poll()
        poll.register(fileno, select.POLLIN)
        return bool(poll.poll(0))
    return bool(select.select([fileno], [], [], 0)[0])


def wait_for_either(fileno: int, seconds: float | None, *, listening: bool) -> tuple[bool, bool]:
    """Wait until the socket can be read (if `listening`) or written: which of them; neither when time is up."""
    if fileno < 0:
        return True, True
    if not hasattr(select, "poll"):
        readable, writable, broken = select.select([fileno] * listening, [fileno], [fileno], seconds)
        return bool(readable), bool(writable or broken)
    poll = select.poll()
    poll.register(fileno, select.POLLOUT | (select.POLLIN if listening else 0))
    found = poll.poll(None if seconds is None else math.ceil(seconds * 1000))
    events = found[0][1] if found else 0
    over = select.POLLHUP | select.POLLERR | select.POLLNVAL
    return bool(events & select.POLLIN), bool(events & (select.POLLOUT | over))


def keep_alive(fileno: int) -> None:
    """Have the system probe a silent connection."""
    try:
        with _duplicate(fileno) as sock:
            for option in KEEPALIVE:
                sock.setsockopt(*option)
    except OSError:
        pass  # already closed by the peer, as its first use will show


def left_to_read(fileno: int) -> Iterator[bytes]:
    """What the system has received of a connection that is broken, without a wait."""
    try:
        with _duplicate(fileno) as sock:
            sock.setblocking(False)
            while data := sock.recv(64 * 1024):
                yield data
    except OSError:
        pass  # nothing more


def shut_down(fileno: int) -> None:
    """End the connection in both directions, leaving the descriptor to its owner."""
    try:
        with _duplicate(fileno) as sock:
            sock.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass  # the peer was faster, or the descriptor is closed


def let_go_of(fileno: int) -> None:
    """Close this process's hold of a socket that others hold too, without freeing a number that its owner closes."""
    try:
        nothing = os.open(os.devnull, os.O_RDWR)
        os.dup2(nothing, fileno, inheritable=False)
        os.close(nothing)
    except OSError:
        pass  # no descriptor is free: the socket stays open until the process ends


def _duplicate(fileno: int) -> socket.socket:
    # Not every loop's socket objects can do this themselves. The family does not matter to what is done here.
    return socket.fromfd(fileno, socket.AF_INET, socket.SOCK_STREAM)

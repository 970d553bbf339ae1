"""The few things that are asked of a raw socket, by its descriptor, whatever event loop it belongs to."""

from __future__ import annotations

import select
import socket

# After a minute of silence a probe goes out each minute, as in the vendors' own clients: a model may think for longer
# than a NAT remembers the connection, and a peer that has gone is noticed after five.
_KEEPALIVE = [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)] + [
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


def keep_alive(fileno: int) -> None:
    """Have the system probe a silent connection."""
    try:
        with _duplicate(fileno) as sock:
            for option in _KEEPALIVE:
                sock.setsockopt(*option)
    except OSError:
        pass  # already closed by the peer, as its first use will show


def shut_down(fileno: int) -> None:
    """End the connection in both directions, leaving the descriptor to its owner."""
    try:
        with _duplicate(fileno) as sock:
            sock.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass  # the peer was faster, or the descriptor is closed


def _duplicate(fileno: int) -> socket.socket:
    # Not every loop's socket objects can do this themselves. The family does not matter to what is done here.
    return socket.fromfd(fileno, socket.AF_INET, socket.SOCK_STREAM)

"""The commands for what is remembered: `logs` and `keys`."""

from __future__ import annotations

import getpass
import sys

import msgspec

from ..core.exceptions import ConfigurationError
from ..core.text import printable
from .ending import say
from .kept import Conversations, Kept
from .output import console, is_terminal, write, write_json, write_table
from .places import keys_file
from .stored_keys import remove_key, set_key, stored

WIDTH = 60
"""Characters of a prompt in a list."""


class Look(msgspec.Struct, kw_only=True):
    """What `logs` is to show."""

    words: str = ""
    most: int = 3
    cid: str | None = None
    last: bool = False
    short: bool = False
    response: bool = False
    as_json: bool = False


def logs(look: Look) -> None:
    """Show the last turns, those of a conversation, or those in which the words stand.

    Raises:
        ConfigurationError: there is no such conversation.
    """
    store = Conversations()
    if not store.path.exists():
        say(f"nothing is kept yet in {store.path}")
        return
    cid = store.named(look.cid) if look.cid else store.last() if look.last else None
    most = None if look.most == 0 or cid is not None else 1 if look.response else look.most
    found = store.find(look.words, conversation=cid, most=most)
    if look.as_json:
        for turn in found:
            write_json(turn)
    elif look.response:
        write("".join(f"{turn.answer}\n" for turn in found[-1:]))
    elif look.short:
        rows = [(turn.conversation, turn.at[:16].replace("T", " "), turn.model, _short(turn.prompt)) for turn in found]
        write_table(("conversation", "at (UTC)", "model", "prompt"), rows)
    else:
        write("\n".join(map(_told, found)))


def _short(text: str) -> str:
    words = " ".join(text.split())
    return words if len(words) <= WIDTH else f"{words[: WIDTH - 1]}…"


def _told(turn: Kept) -> str:
    """A turn as Markdown."""
    calls = [
        f"- `{call['name']}({call.get('arguments', '')})`\n"
        for message in turn.messages
        for call in message.get("tool_calls", [])
    ]
    tools = f"\n## Tools\n\n{''.join(calls)}" if calls else ""
    return (
        f"# {turn.at[:19].replace('T', ' ')} UTC · {turn.model} · {turn.conversation}\n\n## Prompt\n\n{turn.prompt}\n"
        f"{tools}\n## Answer\n\n{turn.answer}\n"
    )


def switch(*, on: bool) -> None:
    """Keep turns from now on, or no more; what is kept stays."""
    Conversations().turn(on)
    say("turns are kept" if on else "turns are no longer kept; those that are stay, `logs --remove CID` forgets one")


def show_path() -> None:
    """Print the path of the file."""
    write(f"{Conversations().path}\n")


def forget(cid: str) -> None:
    """Forget a conversation.

    Raises:
        ConfigurationError: there is no such conversation.
    """
    store = Conversations()
    found = store.named(cid)
    store.remove(found)
    say(f"forgot {found}")


def keys_set(name: str) -> None:
    """Keep a key that is typed unseen, or piped in.

    Raises:
        ConfigurationError: there is no such provider, or no key was given.
    """
    from .. import providers

    providers.get(name)
    if sys.stdin is not None and sys.stdin.isatty():
        try:
            key = getpass.getpass(f"Key for {name} (it is not shown): ")
        except EOFError:
            raise ConfigurationError(f"keys set {name}: no key was given") from None
    else:
        key = sys.stdin.read() if sys.stdin is not None else ""
    say(f"the key for {name} is kept in {set_key(name, key)}")


def keys_list() -> None:
    """The providers whose keys are kept, and where; never a key."""
    rows = [(name, str(keys_file()) if kept.key else "keyring") for name, kept in sorted(stored().items())]
    if rows or is_terminal(console()):
        write_table(("provider", "kept in"), [(printable(name), place) for name, place in rows])


def keys_remove(name: str) -> None:
    """Forget a key.

    Raises:
        ConfigurationError: there is no such provider, or no key of it is kept.
    """
    remove_key(name)
    say(f"forgot the key for {name}")

"""The command `chat`: one question and its answer, or a conversation at the terminal."""

from __future__ import annotations

import sys

from ..client.chat import SyncChat
from ..core.exceptions import ConfigurationError, MiiflowLLMError
from ..core.messages import Message
from .answer import facts, show, show_value, show_whole
from .asking import Ask
from .ending import line, say
from .output import write, write_json


def chat(ask: Ask, prompt: str | None, *, as_json: bool, stream: bool) -> None:
    """Ask once, or converse if there is neither a prompt nor a pipe.

    Raises:
        ConfigurationError: nothing to ask, or it cannot be said.
        MiiflowLLMError: there was no answer.
    """
    asked = _prompt(prompt)
    with ask.client() as client:
        if asked is None:
            _converse(client, ask, as_json=as_json)
        else:
            _once(client, ask, asked, as_json=as_json, stream=stream)


def _prompt(prompt: str | None) -> str | None:
    """What to ask: the argument, with what is piped in under it; `None` at a terminal with no argument."""
    if sys.stdin is None or sys.stdin.isatty():
        return prompt
    piped = sys.stdin.read().strip()
    said = "\n\n".join(part for part in (prompt if prompt != "-" else None, piped) if part)
    if not said:
        raise ConfigurationError("nothing to ask: give a prompt, or pipe one in")
    return said


def _once(client: SyncChat, ask: Ask, prompt: str, *, as_json: bool, stream: bool) -> None:
    messages = [*ask.opening(), ask.turn(prompt)]
    settings = ask.settings()
    if stream and ("schema" not in settings or as_json):
        show(client.stream_chat(messages, **settings), as_json=as_json)
        return
    response = client.chat(messages, **settings)
    if as_json:
        write_json({"type": "finished", **facts(response)})
    elif "schema" in settings:
        show_value(response)
    else:
        show_whole(response)


def _converse(client: SyncChat, ask: Ask, *, as_json: bool) -> None:
    """Turn by turn until the input ends. Ctrl-C stops an answer; at the prompt it ends the conversation."""
    _editing()
    history = ask.opening()
    name = client.provider if client.model is None else f"{client.provider}:{client.model}"
    say(f"{name}; Ctrl-D ends, Ctrl-C stops an answer")
    while True:
        try:
            words = input("> ")
        except EOFError:
            write("\n")
            return
        if words.strip():
            _turn(client, ask, history, words, as_json=as_json)


def _turn(client: SyncChat, ask: Ask, history: list[Message], words: str, *, as_json: bool) -> None:
    first = not any(message.role == "user" for message in history)
    asked = ask.turn(words) if first else Message.user(words)
    try:
        answer = show(client.stream_chat([*history, asked], **ask.settings()), as_json=as_json)
    except MiiflowLLMError as error:
        say(line(error))
    except KeyboardInterrupt:
        say("stopped; the turn is not kept")
    else:
        history += [asked, answer.message]


def _editing() -> None:
    """Line editing and history for the prompt, where the platform has it."""
    try:
        import readline  # noqa: F401  its import is what it does
    except ImportError:
        pass

"""A conversation at the terminal: turn by turn, with a few commands of its own."""

from __future__ import annotations

from pathlib import Path

from ..core.exceptions import MiiflowLLMError
from .attaching import attached
from .ending import line, say
from .output import write
from .talk import Talk

PROMPT, MORE = "> ", ". "
COMMANDS = {
    "/help": "show this",
    "/multi": "write several lines, until a line that is /end",
    "/attach PATH": "attach a file or a URL to the next question",
    "/new": "begin another conversation",
    "/cid": "show the conversation's id, for --cid",
    "/exit": "end; so do exit, quit and Ctrl-D",
}
ENDS = ("exit", "quit", "/exit", "/quit")


def converse(talk: Talk) -> None:
    """Turn by turn until the input ends. Ctrl-C stops an answer; at the prompt it drops the line that is written."""
    _editing()
    name = talk.client.provider if talk.client.model is None else f"{talk.client.provider}:{talk.client.model}"
    say(f"{name}; /help shows the commands, Ctrl-D ends, Ctrl-C stops an answer")
    while True:
        try:
            words = input(PROMPT)
        except EOFError:
            write("\n")
            return
        if words.strip() in ENDS:
            return
        if words.startswith("/") and _commanded(talk, words.strip()):
            continue
        if words.strip() == "/multi":
            words = _lines()
        if words.strip():
            _turn(talk, words)


def _commanded(talk: Talk, words: str) -> bool:
    """Do what a command says; whether it was one that is done now."""
    command, _, rest = words.partition(" ")
    if command == "/help":
        for name, what in COMMANDS.items():
            say(f"{name:14}{what}")
    elif command == "/new":
        talk.anew()
        say("a new conversation")
    elif command == "/cid":
        say(talk.cid)
    elif command == "/attach":
        _attach(talk, rest.strip())
    elif command == "/multi" or Path(command).exists() or "/" in command[1:]:
        return False  # the lines follow, or it is a question that begins with a path
    else:
        say(f"there is no command {command}; /help shows them")
    return True


def _attach(talk: Talk, place: str) -> None:
    try:
        attached(place)
    except MiiflowLLMError as error:
        say(line(error))
    else:
        talk.ask.attachments = [*talk.ask.attachments, place]
        say(f"attached to the next question: {place}")


def _lines() -> str:
    """Lines until `/end`, or the end of the input."""
    found = list[str]()
    while True:
        try:
            words = input(MORE)
        except EOFError:
            break
        if words.strip() == "/end":
            break
        found.append(words)
    return "\n".join(found)


def _turn(talk: Talk, words: str) -> None:
    attachments, images = talk.ask.attachments, talk.ask.images
    try:
        talk.turn(words)
    except MiiflowLLMError as error:
        say(line(error))
        talk.ask.attachments, talk.ask.images = attachments, images
    except KeyboardInterrupt:
        say("stopped; the turn is not kept")


def _editing() -> None:
    """Line editing and history for the prompt, where the platform has it."""
    try:
        import readline  # noqa: F401  its import is what it does
    except ImportError:
        pass

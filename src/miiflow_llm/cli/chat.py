"""The command `chat`: one question and its answer, or a conversation at the terminal; both are kept."""

from __future__ import annotations

import sys

import msgspec

from ..core.messages import Message
from .asking import Ask
from .conversing import converse
from .kept import Conversations, new_id
from .talk import Talk, Way
from .templates import places_of, template_of


def chat(ask: Ask, prompt: str | None, way: Way) -> None:
    """Ask once, or converse if there is neither a prompt nor a pipe.

    Raises:
        ConfigurationError: nothing to ask, or it cannot be said.
        MiiflowLLMError: there was no answer.
    """
    ask.prepare()
    store = Conversations()
    cid = store.named(way.cid) if way.cid else store.last() if way.go_on else None
    history = _gone_on(ask, store, cid) if cid else []
    asked = _prompt(prompt, ask)
    if way.template is not None:
        asked = _templated(ask, way, asked)
    with ask.client() as client:
        talk = Talk(client, ask, way, store, cid or new_id(), history)
        if asked is None:
            converse(talk)
        else:
            talk.turn(asked)


def _gone_on(ask: Ask, store: Conversations, cid: str) -> list[Message]:
    """What was said in the conversation; with whom stands unless the options say otherwise."""
    before, history = store.read(cid)
    if ask.model is None and ask.route is None:
        for name in ("model", "route", "base_url", "dialect", "config"):
            if getattr(ask, name) is None:
                setattr(ask, name, getattr(before, name))
    ask.system = ask.system or before.system
    return history


def _prompt(prompt: str | None, ask: Ask) -> str | None:
    """What to ask: the argument, with what is piped in under it; `None` at a terminal with no argument."""
    if sys.stdin is None or sys.stdin.isatty() or "-" in ask.attachments:
        return prompt
    piped = sys.stdin.read().strip()
    return "\n\n".join(part for part in (prompt if prompt != "-" else None, piped) if part)


def _templated(ask: Ask, way: Way, given: str | None) -> str | None:
    """The question by the template; it fills what the options leave open."""
    template = template_of(ask.configuration(), way.template or "")
    places = places_of(way.places)
    if ask.model is None and ask.route is None:
        ask.model, ask.route = template.model, template.route
    ask.system = ask.system or template.instructions(given, places)
    ask.schema = ask.schema or template.schema
    ask.attachments = [*template.attachments, *ask.attachments]
    ask.parameters = msgspec.json.encode({**template.parameters, **ask.own_parameters()}).decode()
    way.tools = [*template.tools, *way.tools]
    way.extract = way.extract or template.extract
    return template.asked(given or None, places)

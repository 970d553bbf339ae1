"""A conversation with a model: turns are asked, shown and kept."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from ..client.chat import SyncChat
from ..core.exceptions import ConfigurationError
from ..core.messages import Message
from ..core.response import ChatResponse
from .answer import facts, show, show_value, show_whole
from .asking import Ask
from .ending import line, say
from .kept import Asked, Conversations, new_id
from .output import write, write_json
from .own_tools import Answered, Approval, loaded


class Way(msgspec.Struct, kw_only=True):
    """How a question is asked and its answer shown: the options that only `chat` has."""

    as_json: bool = False
    stream: bool = True
    go_on: bool = False
    cid: str | None = None
    keep: bool | None = None
    extract: bool = False
    extract_last: bool = False
    tools: Sequence[str] = ()
    yes: bool = False
    template: str | None = None
    places: Sequence[str] = ()


class Talk:
    """A conversation that goes on: turns are asked, shown and kept."""

    def __init__(
        self, client: SyncChat, ask: Ask, way: Way, store: Conversations, cid: str, history: list[Message]
    ) -> None:
        self.client = client
        self.ask = ask
        self.way = way
        self.cid = cid
        self._store = store
        self._keeps = store.on if way.keep is None else way.keep
        self.history = history
        self._tools = [loaded(place) for place in way.tools]
        self._approve = Approval(always=way.yes) if self._tools else None
        self._settings = ask.settings()

    def anew(self) -> None:
        """Begin another conversation."""
        self.cid, self.history = new_id(), []

    def turn(self, prompt: str) -> None:
        """Ask, show the answer, and keep both.

        Raises:
            ConfigurationError: nothing to ask, or it cannot be said.
            MiiflowLLMError: there was no answer; the turn is not kept.
        """
        if not prompt and not self.ask.attachments and not self.ask.images:
            raise ConfigurationError("nothing to ask: give a prompt, or pipe one in")
        asked = self.ask.turn(prompt)
        self.ask.images = self.ask.attachments = ()
        answer, said = self._answered([*self.ask.opening(), *self.history, asked])
        new = [asked, *said]
        self.history += new
        if self._keeps:
            self._keep(new, prompt, answer)

    def _keep(self, new: Sequence[Message], prompt: str, answer: ChatResponse) -> None:
        """Keep the turn; one that cannot be kept costs nobody the answer."""
        ask = self.ask
        asked = Asked(ask.model, ask.route, ask.base_url, ask.dialect, ask.config, ask.system)
        try:
            self._store.add(self.cid, asked, new, prompt, answer)
        except ConfigurationError as error:
            say(f"the turn is not kept: {line(error)}")

    def _answered(self, messages: list[Message]) -> tuple[ChatResponse, Sequence[Message]]:
        """The answer, shown, and the messages that it adds."""
        if self._tools:
            stream = self.client.stream_tools(messages, self._tools, approve=self._approve, **self._settings)
            with Answered(stream, len(messages), as_json=self.way.as_json) as answered:
                return self._shown(answered), answered.said
        if self.way.as_json or (self.way.stream and not self._is_value):
            answer = self._streamed(messages) if self.way.stream else self._whole(messages)
        else:
            answer = self.client.chat(messages, **self._settings)
            self._show_whole(answer)
        return answer, [answer.message]

    @property
    def _is_value(self) -> bool:
        """Whether the answer is shown when it is whole: a value of a schema, or the code in it."""
        return "schema" in self._settings or self.way.extract or self.way.extract_last

    def _streamed(self, messages: list[Message]) -> ChatResponse:
        return show(self.client.stream_chat(messages, **self._settings), as_json=self.way.as_json, cid=self.cid)

    def _whole(self, messages: list[Message]) -> ChatResponse:
        answer = self.client.chat(messages, **self._settings)
        write_json({"type": "finished", "conversation": self.cid, **facts(answer)})
        return answer

    def _shown(self, answered: Answered) -> ChatResponse:
        if self.way.as_json or not self._is_value:
            return show(answered, as_json=self.way.as_json, cid=self.cid, plain=True)
        for _ in answered:
            pass
        self._show_whole(answered.response)
        return answered.response

    def _show_whole(self, answer: ChatResponse) -> None:
        if "schema" in self._settings:
            show_value(answer)
        elif self.way.extract or self.way.extract_last:
            from .extracting import code_of

            code = code_of(answer.content, last=self.way.extract_last)
            write(code if code.endswith("\n") or not code else f"{code}\n")
        else:
            show_whole(answer)

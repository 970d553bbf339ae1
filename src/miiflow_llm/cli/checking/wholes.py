"""Judge recorded whole answers: the answer itself, the list of models, and which parameter limits the tokens."""

from __future__ import annotations

from typing import Any

from ...core.exceptions import MiiflowLLMError
from ...core.messages import Message
from ...core.response import ChatResponse
from ...wire import endpoints
from .finding import Finding, Row
from .recording import Recorded
from .streams import engine

MAX_TOKENS = (Row("body", '"max_completion_tokens": None'), Row("body", '"max_tokens": take("max_tokens")'))
"""The rows of a server that knows only the older name."""


def read(recorded: Recorded) -> ChatResponse | MiiflowLLMError:
    """The answer as a client reads it."""
    if recorded.status != 200:
        headers = {name.lower(): value for name, value in recorded.headers.items()}
        return engine().error(recorded.status, headers, recorded.body, "m")
    try:
        return engine().read_whole(recorded.body, "m", [Message.user("x")])
    except MiiflowLLMError as error:
        return error


def judge(recorded: Recorded) -> list[Finding]:
    """The findings of a whole answer."""
    if not recorded.status:
        return [Finding("whole answer", "differs", recorded.failure)]
    answer = read(recorded)
    if isinstance(answer, MiiflowLLMError):
        return [Finding("whole answer", "differs", f"{type(answer).__name__}: {answer}"[:160])]
    said = f"{len(answer.content)} characters, {answer.finish_reason}"
    found = Finding("whole answer", "ok" if answer.finish_reason else "differs", said)
    usage = answer.usage
    counts = f"{usage.prompt_tokens} + {usage.completion_tokens}" if usage else "none reported"
    return [found, Finding("whole usage", "ok" if usage else "absent", counts)]


def models(recorded: Recorded) -> tuple[list[str], Finding]:
    """The models' ids, and the finding."""
    if recorded.status != 200:
        return [], Finding("models", "absent", recorded.failure)
    try:
        ids = [model.id for model in endpoints.read_models(engine().dialect.model_list, recorded.body)]
    except MiiflowLLMError as error:
        return [], Finding("models", "differs", error.message[:160])
    return ids, Finding("models", "ok", f"{len(ids)}: {', '.join(ids[:3])}" + (", ..." if len(ids) > 3 else ""))


def limit(newer: Recorded, older: Recorded) -> Finding:
    """Which of `max_completion_tokens` and `max_tokens`, each sent as 1, is obeyed."""
    obeyed = [_obeyed(newer), _obeyed(older)]
    if obeyed[0]:
        also = " and max_tokens" if obeyed[1] else ""
        return Finding("limit of tokens", "ok", f"max_completion_tokens{also}")
    if obeyed[1]:
        how = "refused" if newer.status != 200 else "not obeyed"
        return Finding("limit of tokens", "row", f"max_tokens; max_completion_tokens is {how}", MAX_TOKENS)
    return Finding("limit of tokens", "absent", "neither max_completion_tokens nor max_tokens is obeyed")


def _obeyed(recorded: Recorded) -> bool:
    answer = read(recorded)
    return isinstance(answer, ChatResponse) and _short(answer)


def _short(answer: ChatResponse) -> bool:
    count: Any = answer.usage.completion_tokens
    return answer.finish_reason == "length" or (count is not None and count <= 1)

"""Judge recorded whole answers: the answer itself, the list of models, and which parameter limits the tokens."""

from __future__ import annotations

from typing import Any

from ...core.exceptions import MiiflowLLMError
from ...core.messages import Message
from ...core.response import ChatResponse
from ...wire import endpoints
from .asking import untried
from .finding import Finding, Row
from .format import engine
from .recording import Recorded

NEWER = (Row("body", '"max_tokens": None'), Row("body", '"max_completion_tokens": take("max_tokens")'))
"""The rows of a server that obeys only the newer name of the limit."""


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
    if recorded.late:
        return [], untried("models", recorded)[0]
    if recorded.status != 200:
        return [], Finding("models", "absent", recorded.failure)
    try:
        ids = [model.id for model in endpoints.read_models(engine().dialect.model_list, recorded.body)]
    except MiiflowLLMError as error:
        return [], Finding("models", "differs", error.message[:160])
    return ids, Finding("models", "ok", f"{len(ids)}: {', '.join(ids[:3])}" + (", ..." if len(ids) > 3 else ""))


def limit(newer: Recorded, older: Recorded) -> Finding:
    """Which of `max_completion_tokens` and `max_tokens`, each sent as 1, is obeyed."""
    late = untried("limit of tokens", older) or untried("limit of tokens", newer)
    if late:
        return late[0]
    if _obeyed(older):
        also = " and max_completion_tokens" if _obeyed(newer) else ""
        return Finding("limit of tokens", "ok", f"max_tokens{also}")
    if _obeyed(newer):
        how = "refused" if older.status != 200 else "not obeyed"
        return Finding("limit of tokens", "row", f"max_completion_tokens; max_tokens is {how}", NEWER)
    return Finding("limit of tokens", "absent", "neither max_completion_tokens nor max_tokens is obeyed")


def _obeyed(recorded: Recorded) -> bool:
    answer = read(recorded)
    return isinstance(answer, ChatResponse) and _short(answer)


def _short(answer: ChatResponse) -> bool:
    count: Any = answer.usage.completion_tokens
    return answer.finish_reason == "length" or (count is not None and count <= 1)

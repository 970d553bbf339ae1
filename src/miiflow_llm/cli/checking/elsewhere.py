"""Judge what stands beside chat completions: embeddings, and the other formats that such servers speak."""

from __future__ import annotations

from ...core.exceptions import MiiflowLLMError
from ...core.messages import Message
from ...core.request import ChatRequest
from ...wire import endpoints
from .asking import QUESTION, TOKENS, Asking, refused, untried
from .finding import Finding, Row
from .format import engine, others
from .recording import Recorded

TEXTS = ["one", "two"]


def embeddings(asking: Asking) -> Finding:
    """Two texts, two vectors."""
    recorded = asking.tried(asking.asker.post("/embeddings", {"model": asking.model, "input": TEXTS}))
    if recorded.late:
        return untried("embeddings", recorded)[0]
    none = Row("embeddings", 'not_offered("this server embeds no texts")')
    if refused(recorded):
        return Finding("embeddings", "row", f"none: {recorded.failure}", (none,))
    try:
        vectors = endpoints.read_embeddings(engine().dialect.embeddings, recorded.body, asking.model, TEXTS).vectors
    except MiiflowLLMError as error:
        return Finding("embeddings", "row", error.message[:160], (none,))
    return Finding("embeddings", "ok", f"{len(vectors)} vectors of {len(vectors[0])} numbers")


def formats(asking: Asking) -> list[Finding]:
    """The other formats, each with a small whole answer as a client asks for it."""
    return [_format(asking, dialect) for dialect in others()]


def _format(asking: Asking, dialect: str) -> Finding:
    spoken = engine(dialect)
    request = ChatRequest(
        model=asking.model, messages=[Message.user(QUESTION)], max_tokens=TOKENS, **asking.temperature
    )
    recorded = asking.tried(asking.asker.post(spoken.dialect.path, spoken.encode(request).body))
    if recorded.late:
        return untried(dialect, recorded)[0]
    if refused(recorded):
        return Finding(dialect, "row", f"not spoken: {recorded.failure}", (Row("without", dialect),))
    return _read(asking, dialect, recorded)


def _read(asking: Asking, dialect: str, recorded: Recorded) -> Finding:
    try:
        answer = engine(dialect).read_whole(recorded.body, asking.model, [Message.user(QUESTION)])
    except MiiflowLLMError as error:
        seen = f"{type(error).__name__}: {error.message}"[:160]
        return Finding(dialect, "row", seen, (Row("without", dialect),))
    return Finding(dialect, "ok", f"{len(answer.content)} characters, {answer.finish_reason}")

"""Judge what a server does with parameters that some take, some refuse and some pass over in silence."""

from __future__ import annotations

from typing import Any

import msgspec

from ...core.exceptions import MiiflowLLMError
from ...core.response import ChatResponse
from .asking import Asking, refused, untried, with_words
from .finding import Finding, Row
from .recording import Recorded
from .wholes import read

JSON = "Answer with a JSON object that has the keys `animal` (a string) and `legs` (a number). Describe a dog."
SCHEMA = {
    "type": "object",
    "properties": {"animal": {"type": "string", "enum": ["cat", "dog"]}, "legs": {"type": "integer"}},
    "required": ["animal", "legs"],
    "additionalProperties": False,
}
STOP = ","
PIXEL = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAIAAABLbSncAAAAEUlEQVR42mP4z8CAFTEMLQkAKP8/wc53yE8AAAAASUVORK5C"
    "YII="
)
"""A red square of 8 x 8 pixels."""
ONLY_SCHEMA = (
    '"response_format": when("schema", {"type": "json_schema", "json_schema": {"name": take("schema.name"), '
    '"schema": take("schema.schema"), "strict": take("schema.strict")}})'
)


def forms(asking: Asking, *, tools: bool) -> list[Finding]:
    """JSON mode, and schemas. Without them the tool that must be called takes their place, or the prompt."""
    # the question says nothing of the schema: only a server that holds its model to it gives such an answer
    schema = asking.tried(
        asking.send(response_format={"type": "json_schema", "json_schema": {"name": "animal", "schema": SCHEMA}})
    )
    mode = asking.tried(asking.send(**with_words(JSON), response_format={"type": "json_object"}))
    schemas = _form("schemas", schema, follows)
    modes = _form("JSON mode", mode, lambda value: isinstance(value, dict))
    kept = schemas.verdict != "row"
    if not kept:
        way = "tool" if tools else "prompt"
        schemas = msgspec.structs.replace(schemas, rows=(Row("structured", f'"": "{way}"'),))
    if modes.verdict == "row":
        code = ONLY_SCHEMA if kept else '"response_format": None'
        modes = msgspec.structs.replace(modes, rows=(Row("body", code),))
    return [schemas, modes]


def follows(value: Any) -> bool:
    """Whether a value is what `SCHEMA` describes."""
    return (
        isinstance(value, dict)
        and set(value) == {"animal", "legs"}
        and value["animal"] in ("cat", "dog")
        and isinstance(value["legs"], int)
    )


def _form(behaviour: str, recorded: Recorded, holds: Any) -> Finding:
    if recorded.late:
        return untried(behaviour, recorded)[0]
    if refused(recorded):
        return Finding(behaviour, "row", f"refused: {recorded.failure}")
    answer = read(recorded)
    if isinstance(answer, MiiflowLLMError):
        return Finding(behaviour, "row", f"{type(answer).__name__}: {answer.message}"[:160])
    try:
        value = msgspec.json.decode(answer.content)
    except msgspec.DecodeError:
        if answer.finish_reason == "length":
            return Finding(behaviour, "untried", "the answer was cut by the limit of tokens")
        return Finding(behaviour, "row", f"passed over: the answer is {answer.content[:60]!r}")
    if not holds(value):
        return Finding(behaviour, "row", f"passed over: the answer is {answer.content[:60]!r}")
    return Finding(behaviour, "ok", answer.content[:60])


def stop(asking: Asking) -> list[Finding]:
    """Stop words: an answer to a question that asks for many commas may have none."""
    recorded = asking.tried(asking.send(stop=[STOP]))
    return _option("stop", recorded, ('"stop": None',), lambda answer: STOP not in answer.content)


def top_k(asking: Asking) -> list[Finding]:
    """`top_k`; whether it is obeyed cannot be seen."""
    return _option("top_k", asking.tried(asking.send(top_k=1)), ('"top_k": None',))


def logprobs(asking: Asking) -> list[Finding]:
    """Log probabilities."""
    recorded = asking.tried(asking.send(logprobs=True, top_logprobs=2))
    rows = ('"logprobs": None', '"top_logprobs": None')
    return _option("logprobs", recorded, rows, lambda answer: bool(answer.logprobs))


def reasoning(asking: Asking) -> list[Finding]:
    """Levels of reasoning, and whether thoughts come apart from the text."""
    recorded = asking.tried(asking.send(reasoning_effort="low"))
    found = _option("reasoning", recorded, ('"reasoning_effort": None',))
    answer = read(recorded) if found[0].verdict == "ok" else None
    if isinstance(answer, ChatResponse):
        came = f"{len(answer.message.reasoning)} characters came" if answer.message.reasoning else "none came"
        return [Finding("reasoning", "ok", f"taken; {came}")]
    return found


def images(asking: Asking) -> list[Finding]:
    """A picture in a message."""
    content = [{"type": "text", "text": "Which colour?"}, {"type": "image_url", "image_url": {"url": PIXEL}}]
    recorded = asking.tried(asking.send(messages=[{"role": "user", "content": content}]))
    row = 'ImageBlock: refused("this server shows its model no images")'
    return _option("images", recorded, (row,), part="parts")


def _option(
    behaviour: str, recorded: Recorded, rows: tuple[str, ...], obeyed: Any = None, *, part: Any = "body"
) -> list[Finding]:
    """The finding of a parameter: refused or passed over, a row keeps it from being sent."""
    if recorded.late:
        return untried(behaviour, recorded)
    wanted = tuple(Row(part, row) for row in rows)
    if refused(recorded):
        return [Finding(behaviour, "row", f"refused: {recorded.failure}", wanted)]
    answer = read(recorded)
    if isinstance(answer, MiiflowLLMError):
        return [Finding(behaviour, "row", f"{type(answer).__name__}: {answer.message}"[:160], wanted)]
    if obeyed is not None and not obeyed(answer):
        return [Finding(behaviour, "row", "passed over in silence", wanted)]
    return [Finding(behaviour, "ok", "taken" if obeyed is None else "obeyed")]

"""Where an SDK says otherwise than we, and why ours is right: a row for each kind, as the test finds them."""

from __future__ import annotations

from fnmatch import fnmatchcase

import msgspec

from .agreement import UNREADABLE


class Row(msgspec.Struct, frozen=True):
    """`captures` is a pattern of `provider/name`, `fields` all in which they may differ.

    `shared` marks a row that none of the project's own captures shows, but one of the shared ones.
    """

    sdk: str
    captures: str
    fields: tuple[str, ...]
    why: str
    shared: bool = False

    def explains(self, sdk: str, capture: str, fields: set[str]) -> bool:
        """Whether this is what it speaks of."""
        return self.sdk == sdk and fnmatchcase(capture, self.captures) and fields <= set(self.fields)


ROWS = (
    Row("openai", "xai/*", ("completion",), "xAI counts reasoning beside the completion, we always in it"),
    Row("openai", "groq/*", ("prompt", "completion"), "older Groq streams count in `x_groq`, which OpenAI has not"),
    Row("openai", "openai/custom_tool", ("calls",), "the SDK's stream types have no custom calls"),
    Row("openai", "openai-compatible/bom_and_cr_line_ends", ("text",), "it loses the event after a byte order mark"),
    Row(
        "openai", "openai-compatible/comments_and_other_fields", (UNREADABLE,), "it reads an event without data as JSON"
    ),
    Row("openai", "openai-compatible/content_parts", (UNREADABLE,), "text as a list of parts, where it has a string"),
    Row("openai", "openai-compatible/tool_call_arguments_as_object", (UNREADABLE,), "an object, where it has a string"),
    Row("openai", "openai-compatible/two_tools", ("calls",), "two calls without ids, both of index 0, run together"),
    Row(
        "openai responses",
        "openai/responses_last_event_without_blank_line",
        ("finish", "prompt", "completion"),
        "it drops a last event that no blank line follows",
    ),
    Row("openai responses", "xai/responses_server_side_search", ("calls",), "xAI's own search comes as a custom call"),
    Row(
        "google-genai",
        "gemini/refusal",
        ("finish",),
        "a blocked prompt's reason is not in the candidate, there is none",
    ),
    Row("mistralai", "mistral/*-audio-*", ("prompt",), "audio is counted beside the prompt's tokens", shared=True),
    Row("ollama", "ollama/multibyte", (UNREADABLE,), "it cuts lines at U+2028, which JSON holds raw"),
)


def unexplained(sdk: str, found: dict[str, dict[str, str]]) -> dict[str, dict[str, str]]:
    """The disagreements that no row explains."""
    return {
        key: fields
        for key, fields in found.items()
        if fields and not any(row.explains(sdk, key, set(fields)) for row in ROWS)
    }


def vanished(sdk: str, found: dict[str, dict[str, str]], *, shared: bool) -> list[str]:
    """The rows that nothing found any longer bears out: the patterns of captures."""
    rows = [row for row in ROWS if row.sdk == sdk and row.shared == shared]
    shown = [(key, set(fields)) for key, fields in found.items() if fields]
    return [row.captures for row in rows if not any(row.explains(sdk, key, fields) for key, fields in shown)]


def reasons(sdk: str, found: dict[str, dict[str, str]]) -> list[str]:
    """The table's lines beneath a count: each disagreement and its reason."""
    return [
        f"  {key} ({', '.join(fields)}): "
        + next((row.why for row in ROWS if row.explains(sdk, key, set(fields))), f"UNEXPLAINED {fields}")
        for key, fields in found.items()
        if fields
    ]

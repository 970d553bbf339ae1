"""Why answers end, in the words of every family: a gateway hands on the words of the server behind it.

A dialect's own words come first; there a word may mean something else.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_MEANINGS: Mapping[str, str] = {
    "stop": "stop end_turn stop_sequence stop_token eos eos_token end_of_turn end_of_text complete completed finish "
    "finished pause_turn max_messages steered compaction natural",
    "length": "length max_tokens max_token max_length max_output_tokens max_completion_tokens max_new_tokens "
    "model_length model_context_window_exceeded context_window_exceeded context_length_exceeded token_limit "
    "error_limit continuation",
    "tool_calls": "tool_calls tool_call tool_use tool function_call function_calls requires_action",
    "content_filter": "content_filter content_filtered filtered safety recitation blocklist prohibited_content spii "
    "language model_armor jailbreak image_safety image_prohibited_content image_recitation guardrail_intervened "
    "refusal refused error_toxic sensitive blocked moderation content_policy_violation policy_violation",
    "unknown": "other unspecified finish_reason_unspecified unknown escalation pup_limited_disabled",
    "error": "error failed failure cancelled canceled abort aborted malformed_function_call unexpected_tool_call "
    "too_many_tool_calls missing_thought_signature malformed_response no_image image_other malformed_model_output "
    "malformed_tool_use insufficient_system_resource network_error model_error internal_error timeout",
}
FINISH_WORDS: Mapping[str, str] = {word: ours for ours, words in _MEANINGS.items() for word in words.split()}
"""Every word, in lower case, with what it means: one of ours, or `error`."""

_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")


def meaning(word: str) -> str:
    """What a provider's word for the end means: `unknown` if no family has it.

    Spelling does not matter: `MAX_TOKENS`, `maxTokens`, `max-tokens` and `FinishReason.MAX_TOKENS` are one word.
    """
    plain = _CAMEL.sub("_", word.strip().rpartition(".")[2]).replace("-", "_").replace(" ", "_").lower()
    return FINISH_WORDS.get(plain) or FINISH_WORDS.get(plain.removeprefix("finish_reason_"), "unknown")

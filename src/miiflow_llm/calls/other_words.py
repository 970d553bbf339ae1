"""Words of other libraries and providers for what a call takes, and what to write here."""

from __future__ import annotations

_OF_CREATE = ("api_key", "provider", "base_url", "max_retries", "retry_budget", "headers", "unsupported", "http_client")
_SAME_AS = {
    "max_tokens": "max_completion_tokens max_output_tokens max_new_tokens max_tokens_to_sample num_predict maxTokens",
    "stop": "stop_sequences stop_token stop_tokens stop_words",
    "reasoning": "reasoning_effort thinking think thinking_budget budget_tokens reasoning_tokens",
    "tools": "functions tool_list",
    "tool_choice": "function_call",
    "schema": "response_model response_schema output_schema output_type result_type text_format format",
    "json_mode": "json",
    "top_p": "topP nucleus",
    "top_k": "topK",
    "user": "user_id end_user safety_identifier",
    "timeout": "request_timeout timeout_s timeout_ms",
    "retries_on_parse": "parse_retries",
}
"""Words of other libraries and providers for a parameter of ours."""
NOT_TAKEN = {
    **{other: f"it is {ours} here" for ours, words in _SAME_AS.items() for other in words.split()},
    **{name: f"{name} is given to create()" for name in _OF_CREATE},
    **dict.fromkeys(("prompt", "input", "query", "question", "text"), "messages is the first argument"),
    **dict.fromkeys(
        ("history", "context", "chat_history"), "it belongs among the messages, which are the first argument"
    ),
    **dict.fromkeys(("candidate_count", "best_of", "num_generations"), "one call is one answer; make several calls"),
    **dict.fromkeys(("callbacks", "hooks"), "event_hooks is given to create()"),
    **dict.fromkeys(("retries", "num_retries"), "max_retries is given to create()"),
    **dict.fromkeys(("cache", "caching"), "put a Cache around the client, or mark a block with cache=True"),
    "system_prompt": "it is a message here: Message.system(...), first among the messages",
    **dict.fromkeys(("thinking", "thinking_budget"), "it is reasoning here: an effort, or a budget in tokens"),
    "stream_options": "the usage of a stream is always asked for",
    "n": "one call is one answer; make several calls",
    "stream": "call stream_chat() for a stream, chat() for a whole answer",
    "messages": "messages is the first argument",
    "system": "it is a message here: Message.system(...), first among the messages",
    "instructions": "it is a message here: Message.system(...), first among the messages",
    "fallbacks": "one call has one target; a Router asks several",
    "response_format": "it is schema (or json_mode) here, whatever the provider's word",
}
"""By each word that is not a parameter of a call, what to write."""

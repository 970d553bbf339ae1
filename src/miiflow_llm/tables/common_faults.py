"""What failures mean on any wire: gateways hand on the words of other families, and frameworks have words of their own.

A dialect's own rows come first.
"""

from __future__ import annotations

from ..core import exceptions as error
from .faults import Fault, fault

COMMON_FAULTS: tuple[Fault, ...] = (
    fault(
        error.QuotaExceededError,
        "insufficient_quota",
        "billing_hard_limit_reached",
        "billing_error",
        "payment_required",
        "exceeded_current_quota_error",
        "insufficient_balance",
        "insufficient_credits",
        "quota_exceeded",
        "Arrearage",
        stands_for=402,
    ),
    fault(
        error.QuotaExceededError,
        says=r"credit balance is too low"
        r"|insufficient[ _]?(account )?(balance|credits?|funds|quota)"
        r"|exceeded your current quota|billing hard limit|check your (plan and )?billing"
        r"|(out of|not enough|no remaining|run out of) credits?"
        r"|account .{0,40}(in arrears|overdue|suspended due to)"
        r"|balance .{0,20}(insufficient|not enough|exhausted)",
        stands_for=402,
    ),
    fault(
        error.ContextLengthError,
        "context_length_exceeded",
        "exceed_context_size_error",
        "context_window_exceeded",
        "max_tokens_exceeded",
        "token_limit_exceeded",
        stands_for=400,
    ),
    fault(
        error.ContextLengthError,
        status=(400, 413, 422, 500),
        says=r"maximum context length|context (length|window|size)|too many (input )?tokens|(prompt|input) is too long"
        r"|(input|prompt).{0,40}too large to process"
        r"|exceeds the (available context|maximum (number of )?(input )?tokens)"
        r"|longer than the maximum model length",
    ),
    fault(error.InvalidRequestError, status=500, says=r"validation ?error"),
    fault(error.InvalidRequestError, status=501),
    fault(error.AuthenticationError, "invalid_api_key", "authentication_error", "UNAUTHENTICATED", stands_for=401),
    fault(error.AuthenticationError, "InvalidApiKey", "unauthorized", "Unauthorized", stands_for=401),
    fault(error.PermissionDeniedError, "permission_error", "permission_denied", "PERMISSION_DENIED", stands_for=403),
    fault(error.ModelNotFoundError, "model_not_found", "not_found_error", "NOT_FOUND", "NotFoundError", stands_for=404),
    fault(
        error.RateLimitError,
        "rate_limit_error",
        "rate_limit_exceeded",
        "rate_limit_reached",
        "too_many_requests",
        "RESOURCE_EXHAUSTED",
        "RateLimitError",
        "ThrottlingException",
        stands_for=429,
    ),
    fault(error.ContentFilterError, "content_filter", "content_policy_violation", stands_for=400),
    # an answer that a model spoilt: it was made and is paid for, so nobody asks again unless told to
    fault(
        error.ServiceUnavailableError,
        "malformed_function_call",
        "MALFORMED_FUNCTION_CALL",
        "UNEXPECTED_TOOL_CALL",
        "TOO_MANY_TOOL_CALLS",
        "MALFORMED_RESPONSE",
        "malformed_model_output",
        "malformed_tool_use",
        retry=False,
        stands_for=500,
    ),
    fault(error.ServiceUnavailableError, "overloaded_error", "overloaded", "provider_overloaded", stands_for=529),
    fault(
        error.ServiceUnavailableError,
        "server_error",
        "api_error",
        "internal_error",
        "internal_server_error",
        "InternalServerError",
        "INTERNAL",
        "insufficient_system_resource",
        "network_error",
        stands_for=500,
    ),
    fault(
        error.ServiceUnavailableError,
        "service_unavailable",
        "service_unavailable_error",
        "unavailable_error",
        "UNAVAILABLE",
        "abort",
        "slow_down",
        stands_for=503,
    ),
    fault(error.ServiceUnavailableError, "timeout", "timeout_error", "DEADLINE_EXCEEDED", stands_for=504),
    fault(
        error.InvalidRequestError,
        "invalid_request_error",
        "invalid_request",
        "INVALID_ARGUMENT",
        "BadRequestError",
        stands_for=400,
    ),
)

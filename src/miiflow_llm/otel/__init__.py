"""OpenTelemetry: spans and metrics of every call, by the semantic conventions for generative AI."""

from .instrumentation import instrument

__all__ = ["instrument"]

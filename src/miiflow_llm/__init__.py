"""One Python API over every LLM provider."""

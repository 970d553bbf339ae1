"""Tests that run what the pages of `docs/` show."""

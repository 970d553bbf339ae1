"""Tests against a real model server; `scripts/live` gets it."""

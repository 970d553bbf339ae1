"""Tests of `wire/`."""

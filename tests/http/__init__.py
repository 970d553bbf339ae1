"""Tests of `http/`."""

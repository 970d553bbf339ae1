"""Tests of `calls/`."""

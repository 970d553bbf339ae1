"""Tests of `caching/`."""

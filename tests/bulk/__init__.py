"""Tests of `bulk/`."""

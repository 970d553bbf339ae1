"""Tests of `trials/`."""

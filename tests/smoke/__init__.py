"""The smoke suite: what must work on every Python, each case in an interpreter of its own with warnings as errors."""

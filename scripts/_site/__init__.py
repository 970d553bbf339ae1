"""The documentation site: its source, and how it is built, checked and served."""

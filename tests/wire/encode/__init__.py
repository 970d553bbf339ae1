"""Writing: tables, templates and conversations."""

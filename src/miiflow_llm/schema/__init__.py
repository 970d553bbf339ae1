"""Types to JSON Schema, and JSON to values that grow and values that are typed."""

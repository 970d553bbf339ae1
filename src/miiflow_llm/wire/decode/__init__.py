"""Bytes in; frames, pieces and chunks out."""

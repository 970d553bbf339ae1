"""A server that processes share."""

"""Sending: transports, bodies, and the lean path. The one room that names httpx."""

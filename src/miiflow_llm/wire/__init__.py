"""The engine, room by room: a request in, bytes out; bytes in, chunks out. It has never heard of a provider."""

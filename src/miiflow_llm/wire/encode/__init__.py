"""A request in, the bytes of its body out."""

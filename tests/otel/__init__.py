"""Event hooks and what is built on them."""

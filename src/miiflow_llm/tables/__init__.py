"""The language of the tables: what a dialect, a provider, and a provider of your own are written in."""

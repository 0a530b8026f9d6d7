"""Decoding: search, its constraints, and the translation of lines."""

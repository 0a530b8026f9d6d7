"""Readers of parallel corpora, a module for each family of formats; each streams SentencePairs from a file."""

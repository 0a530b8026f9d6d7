"""Readers of parallel corpora, one module for each family of formats; each streams SentencePairs from a file."""

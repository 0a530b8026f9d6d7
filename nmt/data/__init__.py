"""Prepared data: cleaning a corpus into memory-mapped token rows, and the batches of an epoch."""

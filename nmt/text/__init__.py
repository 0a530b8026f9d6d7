"""Text: read sentence pairs, clean them, and turn them into tokens; without tensors."""

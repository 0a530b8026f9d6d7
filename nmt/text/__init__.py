"""Text: reading sentence pairs, cleaning them, and turning them into tokens. Nothing here knows of tensors."""

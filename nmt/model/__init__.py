"""The encoder-decoder Transformer, its loss, and its file format."""

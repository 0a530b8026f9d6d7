"""Files as nmt reads and writes them."""

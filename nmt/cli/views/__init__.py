"""What commands found, drawn in the terminal."""

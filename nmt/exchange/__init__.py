"""Exchange of trained models with other engines."""

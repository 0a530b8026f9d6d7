"""Evaluation of translations, and inspection of a model's attention."""

"""Scores of translations, and a look inside the model that made them."""

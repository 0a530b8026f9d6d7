"""Run directories as a whole: their data, training, model and scores."""

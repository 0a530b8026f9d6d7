"""From a trained model to translations: beam search and everything around it."""

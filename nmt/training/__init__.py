"""Training: the recipe, the trainer, its steps and optimizers, validation and checkpoints."""

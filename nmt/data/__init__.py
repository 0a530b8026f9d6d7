"""Prepared data: memory-mapped token arrays, and the plan that cuts them into batches."""

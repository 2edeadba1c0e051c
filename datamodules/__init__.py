"""Datasets: where their files lie, what they mean, and how they become batches that any method reads."""

"""Swapping Autoencoder (arXiv 2007.00653) with code consistency and content alignment (arXiv 2108.08674)."""

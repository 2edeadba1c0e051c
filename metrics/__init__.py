"""Measures of images: what torchmetrics lacks, and the conventions that published tables use, each under its own name.

`metrics.glossary.MEANING` says in one line what every measure means and which direction is better.
Every function is pure, takes images in [-1, 1] or uint8 as its docstring says, and returns one value per image or set.
"""

"""Comparison with official implementations, driven by data.

A golden says in its `network` field what was run. A function decorated with `compares(...)` claims the goldens whose field
begins with one of its prefixes, and yields what to compare: `tests/test_parity.py` does the rest. A new golden of a known
network needs no code; a new method adds a file to this folder.
"""

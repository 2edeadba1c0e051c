"""Measurements of this project on the machine at hand, as ratios against a plain form in one run."""

"""What happens beside training: image grids, measures, averages, speed, guards, checkpoints. Each works with every method.

A callback knows a method only through `translate`, `panels` and `image_networks` (lightning_modules/translator.py), and
the data only through `Batch`. `trainer.default_root_dir` is the run's folder; nothing is written elsewhere.
"""

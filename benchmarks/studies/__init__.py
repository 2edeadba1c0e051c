"""What `benchmarks.learning` runs: one file per method, each with `MINUTES` and `study`."""

"""A command a claim: `python -m benchmarks.NAME --json`."""

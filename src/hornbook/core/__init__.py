"""What every room stands on: errors that teach, atomic writes, digests, JSON lines, seeds, progress. No torch."""

"""Personal data and secrets: found, counted, masked."""

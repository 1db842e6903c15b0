"""Records, metrics and scores of a run, as figures for a program and as one page for a reader. It reads files alone."""

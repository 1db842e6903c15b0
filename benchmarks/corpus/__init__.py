"""What the first four steps of the road must show; a file a subject, each with `figures()`."""

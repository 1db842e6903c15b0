"""OpenAI's API, one endpoint a file: its bodies, and the way from one to the other."""

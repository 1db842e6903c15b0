"""The engine and its server against their peers, and against themselves."""

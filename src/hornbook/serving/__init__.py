"""Serving a deployment: the way of one chat (`chat.py`), OpenAI's API over HTTP (`app.py`), a port (`server.py`)."""

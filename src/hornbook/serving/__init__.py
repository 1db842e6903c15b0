"""Serving a deployment: OpenAI's API over HTTP, and the chat behind it. `create_app` and `serve` need a deployment."""

from hornbook.serving.chat import Answer, Chat, Prepared
from hornbook.serving.settings import Settings

__all__ = ["Answer", "Chat", "Prepared", "Settings"]

"""Chats: OpenAI's API over the deployments whose arms are applications of language models."""

from .errors import chat_error
from .gateway import Gateway

__all__ = ["Gateway", "chat_error"]

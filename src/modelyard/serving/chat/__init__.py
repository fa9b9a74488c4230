"""OpenAI's API: chats over the deployments whose arms are applications of language models, vectors over embedders."""

from .embeddings import Embeddings
from .errors import chat_error
from .gateway import Gateway

__all__ = ["Embeddings", "Gateway", "chat_error"]

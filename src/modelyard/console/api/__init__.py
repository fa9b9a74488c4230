"""The control API: a route an operation, derived and never written."""

from .answers import answer, result, status_of
from .inputs import input_model
from .routes import method_of, operations_router, path_of
from .session import session_router

__all__ = [
    "answer",
    "input_model",
    "method_of",
    "operations_router",
    "path_of",
    "result",
    "session_router",
    "status_of",
]

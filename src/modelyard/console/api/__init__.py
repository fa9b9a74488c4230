"""The control API: a route an operation, derived and never written."""

from .answers import answer, result, status_of
from .routes import operations_router, path_of
from .session import session_router

__all__ = ["answer", "operations_router", "path_of", "result", "session_router", "status_of"]

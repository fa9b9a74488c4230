"""Images of servers and of steps, and a compose file that runs them with their stores on one machine."""

from .render import render
from .requirements import SERVING, pinned

__all__ = ["SERVING", "pinned", "render"]

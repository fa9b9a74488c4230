"""Console: pages for people, and the control API.

Owns what is seen of a project in a browser. Does not own what anything means: every page and action asks `operations`.
"""

from .pages import ProjectDesk

__all__ = ["ProjectDesk"]

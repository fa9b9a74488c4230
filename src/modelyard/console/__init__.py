"""The console: the control API, sessions, and pages for people who would rather look than read.

Owns how operations are asked over HTTP: routes, who asks, what a browser may do. Does not own what they do
(`operations`), or the process that keeps it running (`control`).
"""

from .app import application
from .desk import Desk
from .errors import (
    BodyTooLarge,
    ForeignOrigin,
    InternalError,
    NoCsrfToken,
    NoSuchRoute,
    TooMuchAsked,
    UnknownHost,
    WrongMethod,
)
from .identity import Caller, Identity, Needs, open_to_all
from .projects import Projects
from .sessions import Session, Sessions

__all__ = [
    "BodyTooLarge",
    "Caller",
    "Desk",
    "ForeignOrigin",
    "Identity",
    "InternalError",
    "Needs",
    "NoCsrfToken",
    "NoSuchRoute",
    "Projects",
    "Session",
    "Sessions",
    "TooMuchAsked",
    "UnknownHost",
    "WrongMethod",
    "application",
    "open_to_all",
]

"""Serving: the data plane as a process.

Owns answering requests over HTTP with what the feed says, recording each answer before it leaves. Does not own deciding
on routes (`rollout`) or judging answers (`monitoring`); imports light rooms only.
"""

from .dataplane import Answer, DataPlane
from .http import HttpServer
from .metrics import Metrics
from .settings import ServerOptions

__all__ = ["Answer", "DataPlane", "HttpServer", "Metrics", "ServerOptions"]

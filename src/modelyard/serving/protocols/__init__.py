"""Protocols: what other servers' clients speak, each as codecs and a table of routes.

Owns turning requests of the Open Inference Protocol, TensorFlow Serving and MLflow into rows, and answers back, over
HTTP and gRPC. Does not own sockets of HTTP (`serving.http`) or what an answer is (`serving.dataplane`).
"""

from . import mlflow_scoring, open_inference, tensorflow_serving
from .contract import Call, Reply, Route, RouteTable, allowing, own_error, status_of
from .grpc_server import Authorize, GrpcServer

ROUTES: tuple[Route, ...] = (*open_inference.ROUTES, *tensorflow_serving.ROUTES, *mlflow_scoring.ROUTES)
"""The routes of all protocols over HTTP."""

__all__ = [
    "ROUTES",
    "Authorize",
    "Call",
    "GrpcServer",
    "Reply",
    "Route",
    "RouteTable",
    "allowing",
    "own_error",
    "status_of",
]

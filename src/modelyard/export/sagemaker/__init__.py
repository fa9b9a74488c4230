"""SageMaker: the requests that make a model, an endpoint's configuration and an endpoint of the server's image."""

from .render import Endpoint, render, render_endpoint

__all__ = ["Endpoint", "render", "render_endpoint"]

"""The metrics of monitoring, for Prometheus to scrape from the control process."""

from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, ProcessCollector, start_http_server
from prometheus_client.registry import Collector

from modelyard.wiring import Project


@contextmanager
def answering_scrapes(project: Project, *further: Collector) -> Iterator[None]:
    """Answer scrapes at `control.metrics_port` from a thread, while the block lasts; without a port nobody is.

    What monitoring found, what this process takes, and what the `further` collectors say.
    """
    port = project.settings.control.metrics_port
    if port is None:
        yield
        return
    registry = CollectorRegistry()
    registry.register(project.gauges)
    ProcessCollector(registry=registry)
    for each in further:
        registry.register(each)
    server, thread = start_http_server(port, project.settings.server.host, registry)
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

"""Whether a step's machine sees what the runner's does: the project's files, and the artifacts."""

import socket
from uuid import uuid4

from modelyard.core import Digest
from modelyard.storage import ArtifactStore

from ..errors import NotShared
from .order import Order


def sign(store: ArtifactStore) -> tuple[Digest, str]:
    """Something that only this very store has, and this machine's name."""
    host = socket.gethostname()
    return store.put_bytes(f"seen from {host}: {uuid4()}".encode(), durable=False), host


def require_sight(order: Order) -> None:
    """NotShared when this machine lacks the project's folder, or has an artifact store of its own."""
    if order.sight is None:
        return
    digest, runner = order.sight
    if not order.folder.is_dir():
        raise _not_shared(order, f"has no project folder {order.folder}, which {runner} has", runner)
    if not order.surroundings.artifacts().has(digest):
        raise _not_shared(order, f"sees another artifact store than {runner}", runner)


def _not_shared(order: Order, what: str, runner: str) -> NotShared:
    here = socket.gethostname()
    return NotShared(
        f"Machine {here}, where step '{order.step}' was to run, {what}.",
        context={"step": order.step, "machine": here, "runner": runner},
        remedy="Put the project on a file system that every node sees under the same path; artifacts may also be in "
        "object storage (stores.artifacts). Or run it on this machine: --engine local.",
    )

"""How a server process is started: everything it needs, handed over at once."""

from pathlib import Path

import msgspec


class ServerOptions(msgspec.Struct, frozen=True):
    """The options of `python -m modelyard.serving`."""

    feed: Path
    journal: Path
    online: Path
    server: str = "server-1"
    host: str = "127.0.0.1"
    port: int = 8080
    metrics_port: int = 8082
    pepper: Path | None = None
    exit_with_parent: bool = False
    durability: str = "process"
    body_limit: int = 1 << 20
    rows_limit: int = 1000

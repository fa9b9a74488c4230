"""How a server process is started: everything it needs, handed over at once."""

from pathlib import Path

import msgspec

from .deployments import ProbeLimits


class ServerOptions(msgspec.Struct, frozen=True):
    """The options of `python -m modelyard.serving`.

    `online` is the folder of the embedded online store; `online_address` a file with the address of another.
    `only` names the one deployment that is served of those in the feed. `workers` processes share the port; a `worker`
    is one of them, by its number. `receive_seconds` is how long a client may take to send a request once it has
    connected or begun, `drain_seconds` how long what was admitted may take to end once the server is to. `traces` is
    the URL of an OpenTelemetry collector, to which a share of requests in [0, 1] is shown. `behind_gateway`: whoever
    reaches the port was let in by something in front of it, which says whom it speaks for, so that beyond loopback no
    authentication is demanded; `behind_proxy` says the same of addresses, and lets nobody in. `certificate` and
    `private_key` are PEM files for every port. `per_key` and `per_source` are the requests a second that one key, and
    one address, may make of this process; None for as many as come.
    """

    feed: Path
    journal: Path
    online: Path
    online_address: Path | None = None
    server: str = "server-1"
    only: str | None = None
    host: str = "127.0.0.1"
    port: int = 8080
    grpc_port: int | None = None
    metrics_port: int = 8082
    workers: int = 1
    worker: int | None = None
    pepper: Path | None = None
    exit_with_parent: bool = False
    durability: str = "process"
    receive_seconds: float = 10.0
    drain_seconds: float = 25.0
    probe_memory_mb: int = 4096
    probe_seconds: float = 60.0
    call_seconds: float = 10.0
    traces: str | None = None
    traces_share: float = 1.0
    behind_gateway: bool = False
    behind_proxy: bool = False
    certificate: Path | None = None
    private_key: Path | None = None
    per_key: float | None = None
    per_source: float | None = None

    @property
    def tls(self) -> tuple[Path, Path] | None:
        """Certificate and private key, where the ports speak TLS."""
        if self.certificate is None or self.private_key is None:
            return None
        return self.certificate, self.private_key

    @property
    def probe(self) -> ProbeLimits:
        """What a bundle may use up when it is tried."""
        return ProbeLimits(self.probe_memory_mb, self.probe_seconds, self.call_seconds)

    @property
    def name(self) -> str:
        """The name of this process in the log and beside the feed."""
        return self.server if self.worker is None else f"{self.server}.{self.worker}"

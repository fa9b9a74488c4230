"""`python -m modelyard.serving`: the data plane as a process of its own, composed from light rooms only."""

import argparse
import asyncio
import errno
import sys
from pathlib import Path

import uvloop

from modelyard.core import ModelyardError, SystemClock, SystemIds, configure_logging

from .fleet import serve_with_workers
from .process import ServerProcess
from .settings import ServerOptions


def main() -> int:
    """Serve until told to stop; exit code 2 for what the operator has to change."""
    options = _options()
    configure_logging(options.name)
    try:
        if options.workers > 1 and options.worker is None:
            return serve_with_workers(options)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_serve(options))
    except ModelyardError as error:
        print(f"{error.message}\n{error.remedy}", file=sys.stderr)  # noqa: T201 - talk of the process edge
        return 2
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        print(  # noqa: T201 - talk of the process edge
            f"Port {options.port} or {options.metrics_port} is in use.\n"
            "Stop what listens there, or change server.port and server.metrics_port in modelyard.yaml.",
            file=sys.stderr,
        )
        return 2
    return 0


async def _serve(options: ServerOptions) -> None:
    await ServerProcess(options, SystemClock(), SystemIds()).run()


def _options() -> ServerOptions:
    parser = argparse.ArgumentParser(prog="python -m modelyard.serving", description=__doc__)
    for name in ("feed", "journal", "online"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--online-address", type=Path, help="File with the address of an online store on a server.")
    parser.add_argument("--server", default="server-1")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8080)
    parser.add_argument("--grpc-port", type=int)
    parser.add_argument("--metrics-port", type=int, default=8082)
    parser.add_argument("--only")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--worker", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--pepper", type=Path)
    parser.add_argument("--durability", choices=("process", "power"), default="process")
    parser.add_argument("--exit-with-parent", action="store_true")
    parser.add_argument("--probe-memory-mb", type=int, default=4096)
    parser.add_argument("--probe-seconds", type=float, default=60.0)
    parser.add_argument("--call-seconds", type=float, default=10.0)
    parser.add_argument("--receive-seconds", type=float, default=10.0)
    parser.add_argument("--drain-seconds", type=float, default=25.0)
    parser.add_argument("--traces")
    parser.add_argument("--traces-share", type=float, default=1.0)
    parser.add_argument("--behind-gateway", action="store_true")
    parser.add_argument("--behind-proxy", action="store_true")
    parser.add_argument("--certificate", type=Path)
    parser.add_argument("--private-key", type=Path)
    parser.add_argument("--per-key", type=float)
    parser.add_argument("--per-source", type=float)
    return ServerOptions(**vars(parser.parse_args()))


if __name__ == "__main__":
    sys.exit(main())

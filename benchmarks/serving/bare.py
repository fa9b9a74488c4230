"""Our server without prediction log, metrics and routing: what those cost is measured against it.

`python -m benchmarks.serving.bare` takes the flags of `python -m modelyard.serving`. No user can have this server: its
parts are taken out here, in this process, before it starts.
"""

import sys
from typing import Any

from modelyard.journal import Journal
from modelyard.serving import Metrics, dataplane
from modelyard.serving.__main__ import main as serve


def _nothing(*_: Any, **__: Any) -> None:
    """In the place of what is left out."""


def main() -> int:
    """Serve until ended."""
    for name in ("count", "took", "requests", "records"):
        setattr(Metrics, name, _nothing)
    for owner, name in ((Journal, "append"), (dataplane, "_record"), (dataplane, "_entity")):
        setattr(owner, name, _nothing)
    return serve()


if __name__ == "__main__":
    sys.exit(main())

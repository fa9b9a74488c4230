"""`python -m benchmarks.features join|online [options]`; both without options, when neither is named."""

import sys

from . import join, online

_PARTS = {"join": join.main, "online": online.main}

named = sys.argv[1] if len(sys.argv) > 1 and sys.argv[1] in _PARTS else ""
arguments = sys.argv[2:] if named else sys.argv[1:]
sys.exit(max(part(arguments) for name, part in _PARTS.items() if named in ("", name)))

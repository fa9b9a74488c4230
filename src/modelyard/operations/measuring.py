"""What a server of a bundle needs, measured by loading it in a process of its own."""

import json
import subprocess
import sys
from pathlib import Path

from modelyard.core import Failed
from modelyard.export import Measured

_PROGRAM = """
import json, resource, sys, time
began = time.perf_counter()
import modelyard.serving.__main__
from modelyard.core import Digest
from modelyard.inference import load_bundle
bundle = load_bundle(sys.argv[1], allow_python=[Digest(sys.argv[2])])
bundle.close()
peak = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
print(json.dumps({"memory_bytes": peak * 1024, "seconds": time.perf_counter() - began}))
"""
_MARGIN = 1.5
"""For requests, whose rows and answers take memory as well."""


def measured(bundle: Path, digest: str, *, limit_seconds: float = 120.0) -> Measured:
    """Load a bundle as servers do, and say what it took: the largest resident memory with a margin, and the seconds.

    Its own Python runs if it has any, as it will where it is served. Failed when it cannot be loaded.
    """
    ended = subprocess.run(
        [sys.executable, "-c", _PROGRAM, str(bundle), digest],
        capture_output=True,
        text=True,
        check=False,
        timeout=limit_seconds,
    )
    if ended.returncode:
        raise Failed(
            f"The bundle in {bundle} cannot be loaded: {ended.stderr.strip().splitlines()[-1][:300]}",
            remedy=f"See: modelyard bundle verify {bundle}",
        )
    told = json.loads(ended.stdout)
    return Measured(int(_MARGIN * told["memory_bytes"]), told["seconds"])

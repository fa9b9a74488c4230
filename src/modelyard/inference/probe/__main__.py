"""The child of `probe_bundle`: limit this process, load the bundle, replay its golden rows, say how it went."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from modelyard.core import Digest, ModelyardError

from ..bundle import load_bundle
from ..child import limit_process, out_of_memory
from ..embedding import load_embedder
from ..isolated import IsolationLimits
from ..runtimes.onnx import EMBEDDING
from ..verify import verify_bundle


def main(arguments: list[str]) -> int:
    """0 when the bundle is loaded and answers as its original did; else 1, with the reason as JSON."""
    parser = argparse.ArgumentParser(prog="python -m modelyard.inference.probe")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--expect", default=None)
    parser.add_argument("--memory-mb", type=int, default=4096)
    parser.add_argument("--seconds", type=float, default=60.0)
    given = parser.parse_args(arguments)
    limit_process(given.memory_mb, given.seconds)
    expect = None if given.expect is None else Digest(given.expect)
    limits = IsolationLimits(given.memory_mb, start_seconds=given.seconds, call_seconds=given.seconds)
    try:  # the parent has asked for the operator's permission
        if verify_bundle(given.folder, expect=expect)[0].runtime == EMBEDDING:
            load_embedder(given.folder, expect=expect)
            return 0
        load_bundle(
            given.folder, expect=expect, allow_python=() if expect is None else (expect,), limits=limits
        ).close()
    except MemoryError:
        return _say(f"it needs more than {given.memory_mb} MB of memory")
    except ModelyardError as error:
        return _say(error.message, code=error.code)
    except Exception as error:  # the edge of this process: whatever a runtime raises is the answer
        if out_of_memory(error):
            return _say(f"it needs more than {given.memory_mb} MB of memory ({error})")
        return _say(f"{type(error).__name__}: {error}")
    return 0


def _say(why: str, **more: Any) -> int:
    sys.stdout.write(json.dumps({"why": why[:2000], **more}) + "\n")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

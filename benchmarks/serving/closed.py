"""The closed loop: `wrk` keeps a number of connections busy."""

import json
import shutil
import subprocess
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from .records import HERE, Endpoint, Load, median_load

WARM_SECONDS = 3.0
"""Some workers are there later than the first, and first calls cost more."""


class NoLoad(RuntimeError):
    """No load could be driven; the message says what to install or what the server said."""


def drive(endpoint: Endpoint, *, connections: int, seconds: float) -> Load:
    """Keep `connections` busy for some seconds. NoLoad when wrk is missing or fails."""
    wrk = shutil.which("wrk")
    if wrk is None:
        raise NoLoad("wrk is not installed: apt-get update && apt-get install wrk")
    with tempfile.TemporaryDirectory() as folder:
        bodies = Path(folder) / "bodies"
        bodies.write_bytes(b"\n".join(endpoint.bodies))
        url = f"http://127.0.0.1:{endpoint.port}{endpoint.path}"
        command = [wrk, "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", "--timeout", "20s"]
        script = ["-s", str(HERE / "post.lua"), url, "--", str(bodies)]
        result = subprocess.run([*command, *script], capture_output=True, text=True, check=False)
    last = result.stdout.strip().rpartition("\n")[2]
    if result.returncode or not last.startswith("{"):
        raise NoLoad(f"wrk failed ({result.returncode}): {result.stderr or result.stdout}")
    found = json.loads(last)
    answered = max(0, found["requests"] - found["status_errors"])
    errors = found["status_errors"] + found["socket_errors"]
    return Load(answered / found["seconds"], found["p50_ms"], found["p99_ms"], errors)


def alternate(
    first: Endpoint, second: Endpoint, *, connections: int, seconds: float, repeats: int
) -> tuple[Load, Load]:
    """Medians of both, taken in turns and in changing order, so that a drift of the machine meets both alike."""
    ends, loads = (first, second), ([], [])  # type: tuple[Endpoint, Endpoint], tuple[list[Load], list[Load]]
    for end in ends:
        probe(end)
        drive(end, connections=connections, seconds=WARM_SECONDS)
    for turn in range(repeats):
        for which in (0, 1) if turn % 2 == 0 else (1, 0):
            loads[which].append(drive(ends[which], connections=connections, seconds=seconds))
    return median_load(loads[0]), median_load(loads[1])


def probe(endpoint: Endpoint, *, then: Callable[[bytes], None] = lambda _: None) -> bytes:
    """Ask once and return the answer; NoLoad when it is not a 200."""
    url = f"http://127.0.0.1:{endpoint.port}{endpoint.path}"
    request = urllib.request.Request(url, endpoint.bodies[0], {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310 - a loopback address of ours
            answer = bytes(response.read())
    except urllib.error.HTTPError as error:
        with error:
            raise NoLoad(f"{endpoint.path} answers {error.code}: {error.read().decode()[:300]}") from error
    except OSError as error:
        raise NoLoad(f"{endpoint.path} does not answer: {error}") from error
    then(answer)
    return answer

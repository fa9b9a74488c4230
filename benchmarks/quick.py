"""The most telling short form of every benchmark, within ten minutes: `python -m benchmarks.quick`.

A look, not a measurement: each runs once, in a process of its own. Peers take part where their environment is there;
`--install PEER ...` makes it. `--json benchmarks/results/NAME.json` and then `docs/generate.py` put the figures on
the page `docs/reference/benchmarks.md`.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from .environments import PEERS, NotInstalled, install
from .figures import Figure, machine, write

PARTS: Mapping[str, str] = {
    "serving.run": "Serving, against an echo and other servers",
    "scoring.run": "Scoring files, against mlflow.pyfunc",
    "drift.run": "Comparing tables, against scipy, NannyML and Evidently",
    "features.join": "The point-in-time join, against Feast",
    "features.online": "Features online, against Feast",
    "data.validate": "Checking data, against pandera",
    "pipelines.engine": "What the engine of pipelines costs",
    "execution": "What a task of a process pool costs",
    "starting": "What starting costs",
    "knowing": "What knowing who asks costs a request",
    "sketching": "What live histograms cost a request",
    "features.on_demand": "What features computed on demand cost a request",
    "rollout.run": "What tests that decide rollouts promise, simulated",
    "monitoring": "The monitors of a day",
    "log.reading": "Reading a long log",
    "export": "How long an export takes",
    "record": "What a large record costs",
}
"""What each asks, by the module below `benchmarks` that has its `short` form.

They run in this order: those that tell most come first, while there is time.
"""

LONG_ONLY: Mapping[str, str] = {
    "llm.run": "Vectors, embedders and answers of documents, against hnswlib and LanceDB; kept answers, against "
    "GPTCache; the gateway, against LiteLLM",
    "console": "The console's pages with 10M predictions",
    "pipelines.peers": "Ten steps, against ZenML and Metaflow",
}
"""Those without a short form: `record` asks many pages, vectors take minutes to make, and so do command lines."""

MINUTES = 9.5
"""What all parts take together at most: those that do not fit are left out, and it is said."""


def main(arguments: Sequence[str]) -> int:
    """Run and print; 1 when a part failed. A limit that is missed is told: so short a look decides nothing."""
    given = _parse(arguments)
    if given.install is not None:
        return _install(given.install)
    if given.part:
        (part,) = given.part
        print(json.dumps([each.as_json() for each in import_module(f"benchmarks.{part}").short()]))  # noqa: T201 - what the parent reads
        return 0
    before, began = machine(), time.monotonic()
    found: list[dict[str, Any]] = []
    for part in given.only or PARTS:
        _say(f"\n{PARTS[part]} ({part})")
        for each in _measured(part, began + given.minutes * 60 - time.monotonic()):
            _say(_line(each))
            found.append(each)
    file = given.json or PEERS / "results" / f"quick-{time.strftime('%Y%m%dT%H%M%S')}.json"
    write(file, {"quick": True, "seconds": round(time.monotonic() - began)}, before, found)
    _say(f"\n{(time.monotonic() - began) / 60:.1f} minutes. Figures: {file}")
    return int(any(each["measure"] == "failed" for each in found))


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quick", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=[*PARTS], help="these parts")
    parser.add_argument("--minutes", type=float, default=MINUTES, help="of all of them, at most (9.5)")
    parser.add_argument("--json", type=Path, help="where the figures go (benchmarks/.peers/results)")
    parser.add_argument("--install", nargs="+", choices=sorted(peers()), help="make these peers' environments instead")
    parser.add_argument("--part", nargs=1, choices=[*PARTS], help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def peers() -> dict[str, Sequence[str]]:
    """What has an environment of its own, with what pip is asked for."""
    from .drift.run import REQUIREMENTS  # noqa: PLC0415 - each part's own, which a part alone does not need
    from .features.rows import FEAST  # noqa: PLC0415 - as above
    from .serving.peers import ALL  # noqa: PLC0415 - as above

    return {**REQUIREMENTS, "feast": FEAST, **{each.name: each.requirements for each in ALL}}


def _install(names: Sequence[str]) -> int:
    """1 when one of them cannot be installed."""
    failed = False
    for name in names:
        try:
            _say(f"{name}: {install(name, peers()[name])}")
        except NotInstalled as error:
            failed = True
            _say(f"{name}: {error}")
    return int(failed)


def _measured(part: str, seconds: float) -> list[dict[str, Any]]:
    """A part's figures; what kept it from measuring is one, too."""
    if seconds <= 0:
        return [_failed(part, "left out: the time is up", measure="time")]
    command = [sys.executable, "-m", "benchmarks.quick", "--part", part]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        out, err = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return [_failed(part, "ended: the time is up", measure="time")]
    if process.returncode:
        return [_failed(part, err.strip()[-600:])]
    return [{**each, "part": part} for each in json.loads(out.splitlines()[-1])]


def _failed(part: str, why: str, measure: str = "failed") -> dict[str, Any]:
    return {**Figure(measure, part, None, note=why).as_json(), "part": part}


def _line(figure: Mapping[str, Any]) -> str:
    """A figure as people read it."""
    value = "-" if figure["value"] is None else f"{figure['value']:,.2f} {figure['unit']}"
    target = f" ({figure['target']}: {figure['state']})" if figure["target"] else ""
    note = f"  {figure['note']}" if figure["note"] else ""
    return f"  {figure['what']:<70} {value:>16}{target}{note}"


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - a benchmark prints


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

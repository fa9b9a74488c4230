"""All facts of a run: tags to search by, and files to read."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

from .code import code_facts
from .machine import machine_facts
from .packages import distributions


def gathered(folder: Path, conceal: Callable[[str], str]) -> tuple[dict[str, str], dict[str, str]]:
    """Tags, and texts by the name of the file that they belong into. `folder`: where the code stands.

    The names of MLflow's own tags are used where it has one, so that its pages show them.
    """
    machine = machine_facts()
    tags = {
        "modelyard.python": machine["python"],
        "modelyard.platform": machine["platform"],
        "modelyard.host": machine["host"],
        "modelyard.cpus": str(machine["cpus"]),
        "modelyard.memory_gb": f"{machine['memory_bytes'] / 2**30:.1f}",
        "modelyard.gpus": "; ".join(machine["gpus"]) or "none",
    }
    packages = "".join(f"{name}=={version}\n" for name, version in distributions().items())
    files = {"machine.json": json.dumps(machine, indent=2) + "\n", "requirements.txt": packages}
    if sys.argv and sys.argv[0]:
        tags["mlflow.source.name"] = Path(sys.argv[0]).name
    if (code := code_facts(folder)) is not None:
        tags |= {"mlflow.source.git.commit": code.commit, "mlflow.source.git.branch": code.branch}
        tags["modelyard.git.dirty"] = str(code.dirty).lower()
        files |= {"changes.diff": conceal(code.diff)} if code.diff else {}
    return tags, files

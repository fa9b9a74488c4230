"""Virtual environments of peers, in a folder that git ignores. Tests read this file alone: it imports none of ours."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

PEERS = Path(__file__).parent / ".peers"
"""Also of models and results; git ignores it."""


class NotInstalled(RuntimeError):
    """A peer could not be installed; the message is pip's."""


def install(name: str, requirements: Sequence[str]) -> Path:
    """The folder of a peer's environment, made once; NotInstalled with pip's last words when that fails."""
    folder = PEERS / name
    mark = folder / ".installed"
    wanted = "\n".join(requirements)
    if mark.exists() and mark.read_text() == wanted:
        return folder
    base = Path(sys.base_prefix) / "bin" / "python3"
    _run([str(base if base.exists() else sys.executable), "-m", "venv", str(folder)])
    _run([str(folder / "bin" / "python"), "-m", "pip", "install", "-q", "--disable-pip-version-check", *requirements])
    mark.write_text(wanted)
    return folder


def installed(name: str) -> bool:
    """Whether a peer's environment is there."""
    return (PEERS / name / ".installed").exists()


def _run(command: Sequence[str]) -> None:
    result = subprocess.run(list(command), capture_output=True, text=True, check=False)
    if result.returncode:
        raise NotInstalled((result.stderr or result.stdout).strip()[-600:])

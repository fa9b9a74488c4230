"""Trying a bundle in a process of its own first, where it can do no harm."""

import signal
import subprocess
import sys
from collections.abc import Collection
from pathlib import Path

import msgspec

from modelyard.core import Digest

from ..child import child_environment, end_group
from ..errors import BundleRefused
from ..permission import admit
from ..signing import NO_TRUST_ASKED, Trust
from ..verify import verify_bundle

_SILENT_END = "no more than that is known: native code writes nothing when it dies"


def probe_bundle(
    folder: Path | str,
    *,
    expect: Digest | None = None,
    memory_mb: int = 4096,
    seconds: float = 60.0,
    allow_python: Collection[Digest] = (),
    trust: Trust = NO_TRUST_ASKED,
) -> None:
    """Load a bundle in a child process, replay its golden rows there, and return when all went well.

    A model file can crash, hang or eat up the process that loads it; the child may, at most `seconds` long and with
    `memory_mb` of address space, which libraries and threads count against. The child gets neither this process's
    environment nor its open files, and whatever happens, nothing but BundleRefused reaches the caller. Files are
    verified here before: BundleDamaged and BundleTooNew are raised as `verify_bundle` does, BundleNotTrusted and
    PythonNotPermitted as `load_bundle` does. A small bundle takes about half a second. Safe from any thread.
    """
    folder = Path(folder)
    info, digest = verify_bundle(folder, expect=expect)
    admit(folder, info, digest, trust, allow_python)
    command = [
        sys.executable, "-m", f"{__name__}", str(folder),
        "--expect", digest, "--memory-mb", str(memory_mb), "--seconds", str(seconds),
    ]  # fmt: skip
    with subprocess.Popen(
        command,
        env=child_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as child:
        try:
            said, talk = child.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            end_group(child)
            child.communicate()
            raise _refused(folder, digest, f"it was not loaded and answering within {seconds:g} s") from None
    if child.returncode != 0:
        raise _refused(folder, digest, _why(child.returncode, said, talk, memory_mb, seconds))


def _why(code: int, said: bytes, talk: bytes, memory_mb: int, seconds: float) -> str:
    if code == -signal.SIGXCPU:
        return f"it used more than {seconds:g} s of processor time"
    try:
        return str(msgspec.json.decode(said.splitlines()[-1])["why"]).rstrip(".")
    except (IndexError, KeyError, TypeError, msgspec.MsgspecError):
        last = talk.decode(errors="replace").strip().rpartition("\n")[2][:300] or _SILENT_END
    if code < 0:
        return f"its process was ended by {signal.Signals(-code).name} under a limit of {memory_mb} MB ({last})"
    return f"its process ended with {code} under a limit of {memory_mb} MB ({last})"


def _refused(folder: Path, digest: Digest, why: str) -> BundleRefused:
    return BundleRefused(
        f"The bundle in {folder} was tried in a process of its own and is refused: {why}.",
        context={"folder": str(folder), "digest": digest, "why": why},
        remedy="Build the bundle again; if the model is known to be big or slow, raise the limits.",
    )

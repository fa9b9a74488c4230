"""The state of the code: the commit, and what differs from it."""

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from threading import Timer

_SECONDS = 10
_USER = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]*://)[^/@]*@")
DIFF_LIMIT = 1_000_000
"""Bytes of a diff that are kept."""

_UNTRACKED = 200
"""Names of new files that are told."""

_NOT_SHOWN = (
    ".env*", "*.pem", "*.key", "*.p12", "*.pfx", "id_rsa*", "id_ed25519*", "*secret*", "*credential*", ".netrc",
)  # fmt: skip
"""Files whose changes are never kept."""


@dataclass(frozen=True)
class CodeFacts:
    """A working copy of git. `diff`: what differs from the commit, with the names of new files; empty when clean.

    `remote`: where it was cloned from, without a password, and `below`: where the folder stands in it; may be empty.
    """

    commit: str
    branch: str
    dirty: bool
    diff: str = ""
    remote: str = ""
    below: str = ""


def code_facts(folder: Path) -> CodeFacts | None:
    """The working copy that a folder belongs to; None without git, outside of one, or before its first commit.

    The copy's own external diff, text conversion and file-system monitor are not run.
    """
    if shutil.which("git") is None or not folder.is_dir():
        return None
    commit = _git(folder, "rev-parse", "--verify", "-q", "HEAD").strip()
    top = _git(folder, "rev-parse", "--show-toplevel").strip()
    if not commit or not top:
        return None
    root = Path(top)
    changed = _git(root, "diff", "--no-ext-diff", "--no-textconv", "HEAD", "--", ".", *_hidden())
    hidden = _git(root, "diff", "--no-ext-diff", "--name-only", "HEAD", "--").split("\n")
    new = [each for each in _git(root, "ls-files", "--others", "--exclude-standard").split("\n") if each]
    dirty = bool(changed.strip() or new or any(hidden))
    branch = _git(root, "rev-parse", "--abbrev-ref", "HEAD").strip()
    remote = _USER.sub(r"\1", _git(root, "config", "--get", "remote.origin.url").strip())
    below = _git(folder, "rev-parse", "--show-prefix").strip().rstrip("/")
    return CodeFacts(commit, branch, dirty, _bounded(changed) + _listed(new) if dirty else "", remote, below)


def _hidden() -> list[str]:
    return [f":(exclude,icase,glob)**/{each}" for each in _NOT_SHOWN]


def _bounded(text: str) -> str:
    return text if len(text) < DIFF_LIMIT else f"{text}\n# … cut off after {DIFF_LIMIT:,} bytes\n"


def _listed(new: list[str]) -> str:
    if not new:
        return ""
    more = [f"… and {len(new) - _UNTRACKED} more"] if len(new) > _UNTRACKED else []
    return "".join(f"# {line}\n" for line in ["new files, not under version control:", *new[:_UNTRACKED], *more])


def _git(folder: Path, *arguments: str) -> str:
    """What a command prints, at most `DIFF_LIMIT` bytes of it; empty when it fails or takes too long."""
    quiet = {"GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
    outside = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}  # a hook's are its own
    command = ["git", "-c", "core.fsmonitor=false", "-c", "core.quotePath=false", "-C", str(folder), *arguments]
    try:
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL, env=outside | quiet
        ) as process:
            return _output(process)
    except OSError:
        return ""


def _output(process: "subprocess.Popen[bytes]") -> str:
    clock = Timer(_SECONDS, process.kill)
    clock.start()
    try:
        data = process.stdout.read(DIFF_LIMIT) if process.stdout else b""
        cut = len(data) == DIFF_LIMIT
        if cut:
            process.kill()
        failed = process.wait() != 0
    finally:
        clock.cancel()
    return "" if failed and not cut else data.decode(errors="replace")

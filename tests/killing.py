"""Machines that kill what they run, again and again, until nobody kills it: programs that print where it ended."""

import json
import os
import random
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, Generic, TypeVar

from modelyard.bundling import BuiltBundle

REPOSITORY = Path(__file__).parents[1]
F = TypeVar("F")


def ended(module: str, folder: Path, built: BuiltBundle, kills: int, seed: int) -> tuple[dict[str, Any], int]:
    """Where a machine of this module ended in a new folder, and how often it was killed."""
    folder.mkdir()
    words = [folder, built.path, built.digest, kills, seed]
    command = [sys.executable, "-m", module, *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=400, cwd=REPOSITORY)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout), int(done.stderr.rpartition("killed ")[2].split()[0])


class Killings(Generic[F]):
    """At most so many of them, at moments drawn at random; `fuse` makes of a number of moments what burns down."""

    def __init__(self, kills: int, seed: int, fuse: Callable[[int], F], longest: int) -> None:
        self.done = 0
        self._kills, self._chance, self._fuse, self._longest = kills, random.Random(seed), fuse, longest

    def through(self, act: Callable[[F | None], None]) -> None:
        """Begin an act, each time in a process of its own, until one came through; then once more in peace."""
        while self.done < self._kills:
            fuse = self._fuse(self._chance.randint(1, self._longest))
            ended = in_child(lambda fuse=fuse: act(fuse))  # type: ignore[misc]
            assert ended in (0, -signal.SIGKILL)
            if ended == 0:
                break
            self.done += 1
        assert in_child(lambda: act(None)) == 0


def in_child(act: Callable[[], None]) -> int:
    """Run something in a process of its own; 0, an exit code, or minus the signal that ended it."""
    if (child := os.fork()) == 0:
        try:
            act()
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

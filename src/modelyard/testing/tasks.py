"""What the tasks of the executors' suite do: behave well and badly. Imports little, as fresh processes import it."""

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any


class _Stubborn(Exception):
    """An exception that can be pickled and not unpickled."""

    def __init__(self, left: str, right: str) -> None:
        super().__init__(f"{left} and {right}")


class _Unspeakable(Exception):
    """An exception that cannot even be shown."""

    def __str__(self) -> str:
        raise RuntimeError("no words")

    def __reduce__(self) -> str:
        raise RuntimeError("no pickle")


class Unreadable:
    """A value that can be pickled and not unpickled."""

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return int, ("no number",)


def give(value: Any) -> Any:
    """Return it."""
    return value


def add(left: int, right: int) -> int:
    """Two arguments."""
    return left + right


def raise_lookup() -> None:
    """Raise, two frames deep."""
    _deeper({})


def _deeper(levels: dict[str, int]) -> int:
    return levels["absent"]


def raise_stubborn() -> None:
    """Raise what does not unpickle."""
    raise _Stubborn("this", "that")


def raise_unspeakable() -> None:
    """Raise what neither pickles nor shows itself."""
    raise _Unspeakable


def leave() -> None:
    """Ask the interpreter to end."""
    sys.exit("leaving")


def give_lambda() -> Any:
    """Return what does not pickle."""
    return lambda: None


def give_unreadable() -> Unreadable:
    """Return what does not unpickle."""
    return Unreadable()


def give_bytes(count: int) -> bytes:
    """Return many."""
    return b"x" * count


def die(by: int) -> None:
    """End this process by a signal."""
    os.kill(os.getpid(), by)
    time.sleep(60)


def end(code: int) -> None:
    """End this process at once."""
    os._exit(code)


def fault() -> None:
    """Read where nothing is."""
    ctypes.string_at(0)


def fork_and_die() -> None:
    """Leave a forked child behind, which keeps every open descriptor, and die."""
    if os.fork() == 0:
        time.sleep(60)
        os._exit(0)
    os.kill(os.getpid(), signal.SIGKILL)


def fork_and_return() -> int:
    """Return twice: here, and in a copy of this process."""
    child = os.fork()
    return os.getpid() if child else -1


def sleep(seconds: float) -> float:
    """Wait."""
    time.sleep(seconds)
    return seconds


def sleep_in_native_code(seconds: int) -> None:
    """Wait without giving other threads of this process a chance."""
    ctypes.PyDLL(None).sleep(seconds)


def hold(file: str) -> None:
    """Start a child that starts a child, write the three process ids into a file, and hang."""
    inner = "import time; time.sleep(300)"
    program = (
        f"import subprocess, sys, time; c = subprocess.Popen([sys.executable, '-c', {inner!r}]);"
        "print(c.pid, flush=True); time.sleep(300)"
    )
    child = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    assert child.stdout is not None
    pids = [os.getpid(), child.pid, int(child.stdout.readline())]
    whole = Path(f"{file}.part")
    whole.write_text(" ".join(map(str, pids)))
    whole.rename(file)
    time.sleep(300)


def overlap(folder: str, seconds: float) -> int:
    """How many tasks, this one too, have a mark in a folder while it runs."""
    mark = Path(folder) / f"{os.getpid()}-{threading.get_ident()}-{time.monotonic_ns()}"
    mark.touch()
    time.sleep(seconds)
    count = len(list(Path(folder).iterdir()))
    mark.unlink()
    return count


def variable(name: str) -> str | None:
    """A variable of the environment, as child processes see it too."""
    program = f"import os; print(os.environ.get({name!r}, ''))"
    child = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    seen = os.environ.get(name)
    assert child.stdout.strip() == (seen or "")
    return seen


def soil(name: str, folder: str) -> int:
    """Change the environment and the working directory, and tell the process."""
    os.environ[name] = "soiled"
    os.environ.pop("PATH", None)
    os.chdir(folder)
    return os.getpid()


def place() -> tuple[int, str, bool]:
    """This process, its directory, and whether it has a PATH."""
    return os.getpid(), str(Path.cwd()), "PATH" in os.environ


def speak() -> None:
    """Write to standard output and error: from Python, from C, from a child."""
    print("from Python")  # noqa: T201 - this is what is tested
    print("from Python, as an error", file=sys.stderr)  # noqa: T201
    ctypes.CDLL(None).puts(b"from C")
    subprocess.run([sys.executable, "-c", "print('from a child')"], check=True)


def speak_and_wait(file: str) -> None:
    """Write a line, then wait until a file is there."""
    print("a first line")  # noqa: T201 - the same
    while not Path(file).exists():
        time.sleep(0.01)


def speak_and_die() -> None:
    """Write a line and die."""
    print("last words")  # noqa: T201 - the same
    os.kill(os.getpid(), signal.SIGKILL)


def version(folder: str) -> int:
    """What a module of the user's, imported once a process, says."""
    if folder not in sys.path:
        sys.path.insert(0, folder)
    import changing_module  # type: ignore[import-not-found]  # noqa: PLC0415 - the test writes it

    found: int = changing_module.VERSION
    return found


def process() -> int:
    """The process that this runs in."""
    return os.getpid()

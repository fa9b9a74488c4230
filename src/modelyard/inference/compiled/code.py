"""The walker's machine code: kept for this user and this processor, and loaded without what compiled it.

numba makes the code, in a child process, once on a machine. Loading takes llvmlite alone and a few hundredths of a
second: a server never imports numba, which would cost it half a second and a hundred megabytes.
"""

import ctypes
import hashlib
import importlib.util
import logging
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import cache, partial
from pathlib import Path
from threading import Lock
from typing import Any

from modelyard.core import log_event

from ..child import child_environment
from .cache import keep, kept, turn

Walk = Callable[..., None]
"""The walker: takes addresses in the order of `kernel.walk`, and the number of rows."""

SYMBOL = "modelyard_walk"
"""The name of the walker in the code."""

COMPILE_SECONDS = 180.0
"""How long the compiler may take: some seconds on a machine that has nothing else to do."""

_POINTERS = 14
_NOTHING = (ctypes.c_int64 * 4)()
"""Where compiled functions of numba's put their result and their error: this one has neither."""

_FILES = ("kernel.py", "__main__.py")

_COMPILER = {"NUMBA_OPT": "0", "NUMBA_DISABLE_INTEL_SVML": "1"}
"""The whole is optimised once, at the end; and nothing is called that whoever loads the code may not have."""

_lock = Lock()
_loaded: list[tuple[Any, Walk] | None] = []
"""The code in this process with what owns its memory, once it is there; None when it could not be loaded."""


def ready_walker() -> Walk | None:
    """The walker if it is loaded, or can be at once; None when it would have to be compiled first. For any thread."""
    with _lock:
        if not _loaded and _has("llvmlite"):
            _load(lambda: kept(_name()))
        return _walker()


def compiled_walker() -> Walk | None:
    """The walker, compiled in a child process if it must be, which takes some seconds; None where it cannot be.

    Safe for any thread and process: one compiles, the others wait for it. Code that cannot be loaded is said so in the
    log, and not tried again by this process.
    """
    walk = ready_walker()
    if _loaded or not (_has("numba") and _has("llvmlite")):
        return walk
    with turn():
        walk = ready_walker()
        if _loaded or (code := _compiled()) is None:
            return walk
        keep(_name(), code)
        with _lock:
            if not _loaded:
                _load(lambda: code)
            return _walker()


def host() -> tuple[str, str]:
    """This processor's name and features, as LLVM has them."""
    import llvmlite.binding as llvm  # noqa: PLC0415 - an extra

    return llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()


def _has(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


@cache
def _name() -> str:
    """A name for the code that this source makes for this processor."""
    import llvmlite  # noqa: PLC0415 - an extra

    source = b"".join((Path(__file__).parent / each).read_bytes() for each in _FILES)
    told = "|".join([llvmlite.__version__, sys.platform, *host()]).encode()
    return hashlib.sha256(source + told).hexdigest()[:32]


def _compiled() -> bytes | None:
    """The code from a child process; None, and a line in the log, when it fails."""
    package = __name__.rpartition(".")[0]
    environment = child_environment() | _COMPILER
    try:
        done = subprocess.run(
            [sys.executable, "-m", package],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=COMPILE_SECONDS,
            check=True,
        )
    except (OSError, subprocess.SubprocessError) as error:
        _warn("compiling the walker of trees failed, models go on without it", error)
        return None
    return done.stdout


def _walker() -> Walk | None:
    return _loaded[0][1] if _loaded and _loaded[0] is not None else None


def _load(find: Callable[[], bytes | None]) -> None:
    """Load code if there is any; a line in the log when that fails: the other runtimes answer then."""
    try:
        if (code := find()) is not None:
            _loaded.append(linked(code))
    except (ImportError, OSError, RuntimeError, ValueError) as error:  # LLVM's, or those of a broken installation
        _warn("compiled trees cannot be loaded, models go on without them", error)
        _loaded.append(None)


def _warn(event: str, error: Exception) -> None:
    log_event("inference", event, level=logging.WARNING, error=str(error)[:300])


def linked(code: bytes) -> tuple[Any, Walk]:
    """The walker in machine code, with what owns its memory. LLVM may end a process that gives it something else."""
    import llvmlite.binding as llvm  # noqa: PLC0415 - an extra

    with suppress(RuntimeError):  # newer versions begin by themselves, and say so
        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
    machine = llvm.Target.from_default_triple().create_target_machine(jit=True)
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)
    engine.add_object_file(llvm.object_file.ObjectFileRef.from_data(code))
    engine.finalize_object()
    address = engine.get_function_address(SYMBOL)
    if not address:
        raise ValueError(f"it has no function '{SYMBOL}'")
    made = ctypes.CFUNCTYPE(ctypes.c_int32, *[ctypes.c_void_p] * (2 + _POINTERS), ctypes.c_int64)
    return engine, partial(made(address), ctypes.addressof(_NOTHING), ctypes.addressof(_NOTHING))

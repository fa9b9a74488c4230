"""The walker's machine code: kept for this user and this processor, and loaded without what compiled it.

numba makes the code, in a child process, once on a machine. Loading takes llvmlite alone and a few hundredths of a
second: a server never imports numba, which would cost it half a second and a hundred megabytes.
"""

import ctypes
import hashlib
import importlib.util
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
_loaded: list[tuple[Any, Walk]] = []
"""The code in this process with what owns its memory, once it is there."""


def ready_walker() -> Walk | None:
    """The walker if it is loaded, or can be at once; None when it would have to be compiled first. For any thread."""
    with _lock:
        if not _loaded and _has("llvmlite") and (code := kept(_name())) is not None:
            _load(code)
        return _loaded[0][1] if _loaded else None


def compiled_walker() -> Walk | None:
    """The walker, compiled in a child process if it must be, which takes some seconds; None where it cannot be.

    Safe for any thread and process: one compiles, the others wait for it.
    """
    if (walk := ready_walker()) is not None or not (_has("numba") and _has("llvmlite")):
        return walk
    with turn():
        if (walk := ready_walker()) is not None:
            return walk
        code = _compiled()
        if code is None:
            return None
        keep(_name(), code)
        with _lock:
            if not _loaded:
                _load(code)
            return _loaded[0][1]


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
        log_event("inference", "compiling the walker of trees failed, models go on without it", error=str(error)[:300])
        return None
    return done.stdout


def _load(code: bytes) -> None:
    import llvmlite.binding as llvm  # noqa: PLC0415 - an extra

    with suppress(RuntimeError):  # newer versions begin by themselves, and say so
        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
    machine = llvm.Target.from_default_triple().create_target_machine(jit=True)
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)
    engine.add_object_file(llvm.object_file.ObjectFileRef.from_data(code))
    engine.finalize_object()
    made = ctypes.CFUNCTYPE(ctypes.c_int32, *[ctypes.c_void_p] * (2 + _POINTERS), ctypes.c_int64)
    function = made(engine.get_function_address(SYMBOL))
    _loaded.append((engine, partial(function, ctypes.addressof(_NOTHING), ctypes.addressof(_NOTHING))))

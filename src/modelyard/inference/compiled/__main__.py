"""The compiler, a child process: writes the walker to its standard output, as machine code of this processor."""

import sys
from typing import Any

import llvmlite.binding as llvm
import numba
from numba import types

from . import kernel
from .code import SYMBOL, host, linked

_POINTER: Any = types.CPointer
_WHOLE, _FLOAT = _POINTER(types.int64), _POINTER(types.float64)
_ARGUMENTS = (
    _WHOLE, _WHOLE, _FLOAT, _FLOAT, _WHOLE, _WHOLE, _FLOAT, _WHOLE, _WHOLE, _FLOAT, _FLOAT, _FLOAT, _FLOAT, _WHOLE,
    types.int64,
)  # fmt: skip


def main() -> int:
    """0 when the code has been written, after it was loaded here: what cannot be ends this process and no other."""
    for name in kernel.HELPERS:
        jitted = numba.njit(forceinline=name in {"place_of", "step"}, error_model="numpy")(getattr(kernel, name))
        setattr(kernel, name, jitted)
    made = numba.cfunc(types.void(*_ARGUMENTS), error_model="numpy")(kernel.walk)
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    name, features = host()
    machine = llvm.Target.from_default_triple().create_target_machine(
        cpu=name, features=features, opt=3, reloc="default", codemodel="jitdefault", jit=True
    )
    module = llvm.parse_assembly(made.inspect_llvm())
    _alone(module, made.native_name.removeprefix("cfunc."))
    tuning = llvm.create_pipeline_tuning_options(3)
    tuning.loop_vectorization = tuning.slp_vectorization = False  # slower here, and twice the time to compile
    builder = llvm.create_pass_builder(machine, tuning)
    builder.getModulePassManager().run(module, builder)
    code: bytes = machine.emit_object(module)
    linked(code)
    sys.stdout.buffer.write(code)
    return 0


def _alone(module: Any, walker: str) -> None:
    """Let everything but the walker be left out where it is not needed: what tells Python of errors, say."""
    for each in module.functions:
        if each.name == walker:
            each.name = SYMBOL
        elif not each.is_declaration:
            each.linkage = "internal"


if __name__ == "__main__":
    sys.exit(main())

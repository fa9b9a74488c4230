"""Models and functions in a process of their own: native libraries, pickles, code, which may crash, hang or eat memory.

`process` starts and asks one such process, `kept` starts it again; `__main__` is what runs in it, and the only place
that loads those libraries (by name, from a closed list, in `models`) and runs code (`functions`): the process that asks
never does. What goes between them is numbers and plain values.
"""

from .frames import data_frame
from .kept import KeptWorker
from .models import (
    ARCHIVE_FILE,
    LIGHTGBM_FILE,
    PICKLE_FILE,
    PYTHON_FILE,
    SOURCE_MODULE,
    XGBOOST_FILE,
    PythonModel,
)
from .process import IsolationLimits, WorkerProcess
from .wire import FUNCTIONS, Columns, FunctionAnswer, FunctionCall

__all__ = [
    "ARCHIVE_FILE",
    "FUNCTIONS",
    "LIGHTGBM_FILE",
    "PICKLE_FILE",
    "PYTHON_FILE",
    "SOURCE_MODULE",
    "XGBOOST_FILE",
    "Columns",
    "FunctionAnswer",
    "FunctionCall",
    "IsolationLimits",
    "KeptWorker",
    "PythonModel",
    "WorkerProcess",
    "data_frame",
]

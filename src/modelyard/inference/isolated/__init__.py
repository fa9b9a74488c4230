"""Models in a process of their own: native libraries, pickles and code, which may crash, hang or eat up memory.

`process` starts and asks one such process; `__main__` is what runs in it, and the only place that loads those libraries
(by name, from a closed list, in `models`): the process that asks never does. What goes between them is numbers.
"""

from .frames import data_frame
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

__all__ = [
    "ARCHIVE_FILE",
    "LIGHTGBM_FILE",
    "PICKLE_FILE",
    "PYTHON_FILE",
    "SOURCE_MODULE",
    "XGBOOST_FILE",
    "IsolationLimits",
    "PythonModel",
    "WorkerProcess",
    "data_frame",
]

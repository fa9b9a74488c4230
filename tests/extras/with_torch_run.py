"""Run by `test_torch.py`: a PyTorch module is logged and loaded, with Debian's PyTorch behind our own interpreter.

MLflow imports `torch.export`, which this PyTorch is too old to have and a pickled module has no use for.
"""

import sys
import warnings
from types import ModuleType

warnings.simplefilter("ignore")
sys.path.append("/usr/lib/python3/dist-packages")

import json  # noqa: E402

import numpy as np  # noqa: E402
import torch  # noqa: E402

import modelyard as my  # noqa: E402
from modelyard.core import SystemClock  # noqa: E402
from modelyard.tracking import Tracker  # noqa: E402

lacking = ModuleType("torch.export")
lacking.Dim = None  # type: ignore[attr-defined]
sys.modules.setdefault("torch.export", lacking)


def main() -> None:
    """Log a module; print what it answers before and after, and what MLflow keeps of it."""
    with my.run("network", seed=3) as run:
        module = torch.nn.Sequential(torch.nn.Linear(3, 1), torch.nn.Sigmoid())
        uri = run.log_model(module, np.zeros((4, 3), dtype=np.float32))
    rows = torch.ones(2, 3)
    again = Tracker.of_mlflow(SystemClock()).load_model(uri)
    with torch.no_grad():
        answers = [each(rows).tolist() for each in (module, again)]
    from mlflow.models import get_model_info

    told = get_model_info(uri)
    print(json.dumps({"answers": answers, "flavors": sorted(told.flavors), "outputs": str(told.signature.outputs)}))  # noqa: T201


main()

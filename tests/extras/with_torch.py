"""Run by `test_torch.py`: Modelyard's own interpreter with Debian's PyTorch, which stands behind all other modules.

Its NumPy bridge is built for NumPy 1 and stays closed here, which is none of our business: lists go in and out.
"""

import sys
import warnings
from pathlib import Path

warnings.simplefilter("ignore")
sys.path.append("/usr/lib/python3/dist-packages")

import json  # noqa: E402
from typing import Any  # noqa: E402

import numpy as np  # noqa: E402
import torch  # noqa: E402

from modelyard.inference import load_bundle  # noqa: E402
from modelyard.operations.bundles import BuildBundle, build_from_files  # noqa: E402


def network(*last: Any, outputs: int, target: float = 0.5) -> Any:
    """Two layers with a norm between them, which are trained a little."""
    torch.manual_seed(0)
    module = torch.nn.Sequential(
        torch.nn.Linear(3, 16), torch.nn.BatchNorm1d(16), torch.nn.ReLU(), torch.nn.Linear(16, outputs), *last
    )
    optimizer = torch.optim.Adam(module.parameters(), 0.01)
    for _ in range(50):
        loss = ((module(torch.randn(64, 3)) - target) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return module.eval()


def main(folder: Path) -> None:
    """Build the bundles of three networks; print what was kept, and how far fresh rows are off."""
    np.save(folder / "rows.npy", np.random.default_rng(0).normal(size=(300, 3)))
    made: dict[str, Any] = {}
    for name, task, module in (
        ("binary", "binary", network(torch.nn.Sigmoid(), outputs=1)),
        ("classes", "multiclass", network(torch.nn.Softmax(dim=1), outputs=3)),
        ("value", "regression", network(outputs=1)),
    ):
        file = folder / f"{name}.pt"
        if task == "binary":
            torch.save(module, file)
        else:
            torch.jit.script(module).save(str(file))
        output = folder / name
        told = build_from_files(BuildBundle(file, output, folder / "rows.npy", task=task, tolerance=1e-5))
        fresh = np.random.default_rng(1).normal(size=(200, 3)).astype(np.float32).astype(np.float64)
        with torch.no_grad():
            expected = np.array(module(torch.tensor(fresh.tolist())).tolist())
        error = np.abs(load_bundle(output).scores(fresh) - expected).max()
        made[name] = {"runtime": told["runtime"], "error": float(error), "proved": told["attempts"][0]["error"]}
    logits = folder / "logits.pt"
    torch.jit.script(network(outputs=1, target=-3.0)).save(str(logits))
    try:
        build_from_files(BuildBundle(logits, folder / "none", folder / "rows.npy", task="binary"))
    except Exception as error:
        made["logits"] = str(error)
    print(json.dumps(made))  # noqa: T201 - for the test


if __name__ == "__main__":
    main(Path(sys.argv[1]))

"""What a package says to whoever puts it on a device."""

from collections.abc import Mapping
from typing import Any

_TEXT = """\
# {model} {version}, for devices

A model, what it takes and gives, and one file that runs it. Python 3.9, numpy and onnxruntime are all it needs.

```
pip install numpy onnxruntime
python run.py --check            # replays the golden rows; exit code 1 when the answers are off
python run.py rows.jsonl         # or .json, .csv, or lines of JSON on standard input
python run.py --time             # microseconds a row, here
```

Each row is answered by a line of JSON: `prediction`{probability}, and `unknown` with the fields whose level
was not seen in training. A row that the model does not take is answered by `error`, and the exit code is then 2. Made
and checked with onnxruntime {onnxruntime}; an older one may not know all operators, which `--check` shows.

| input | kind | may be missing | takes |
|---|---|---|---|
{inputs}
{elsewhere}
## Size and accuracy

{size}

{metrics}

{tried}`edge.json` has all of this for programs, and digests of the files, which `--check` compares. `golden.json` holds
rows like those the model was trained on: treat it as such. Made by Modelyard {modelyard} of this bundle ({runtime}):
`{digest}`
"""


def readme(told: Mapping[str, Any]) -> str:
    """The page, from what `edge.json` says."""
    return _TEXT.format(
        model=told["model"],
        version=told["version"],
        probability="" if told["task"] == "regression" else ", `probability`",
        inputs="\n".join(_input(each) for each in told["signature"]["fields"]),
        elsewhere=_elsewhere(told["elsewhere"]),
        size=_size(told),
        metrics=_metrics(told["metrics"]),
        tried="".join(f"{_tried(each)}\n" for each in told["tried"]) + ("\n" if told["tried"] else ""),
        digest=told["source"]["bundle"],
        runtime=told["source"]["runtime"],
        **told["made_with"],
    )


def _input(field: Mapping[str, Any]) -> str:
    missing = "yes" if field["nullable"] and field["kind"] in ("number", "category") else "no"
    return f"| `{field['name']}` | {field['kind']} | {missing} | {_takes(field)} |"


def _takes(field: Mapping[str, Any]) -> str:
    if field["kind"] == "category":
        unseen = {"null": "a missing value", "other": "`other`", "error": "an error"}[field["unknown"]]
        return f"{len(field['categories'])} levels; an unseen one is {unseen}"
    if field["kind"] == "tensor":
        return f"{field['dtype']} of shape {field['shape']}"
    if field["kind"] == "text":
        return "a string"
    if field["largest"] is not None:
        return f"numbers up to {field['largest']:.3g}"
    return "finite numbers" if field["finite"] else "numbers and infinities"


def _elsewhere(names: list[str]) -> str:
    if not names:
        return ""
    listed = ", ".join(f"`{each}`" for each in names)
    return f"\nServers look up or compute {listed}; here rows have to bring them.\n"


def _size(told: Mapping[str, Any]) -> str:
    size, parity = told["size"], told["parity"]
    rows = f"{parity['golden_rows']} golden and {parity['reference_rows']} reference rows"
    if told["weights"] is None:
        return f"`model.onnx` has {size['after']:,} bytes, as in the bundle: it answers as there."
    same = "" if parity["labels_equal"] is None else f"{parity['labels_equal']:.2%} of classes are the same, "
    unit = " standard deviations" if told["task"] == "regression" else ""
    return (
        f"`model.onnx` has {size['after']:,} bytes in place of {size['before']:,}: its weights are stored as "
        f"{told['weights']}. On {rows} {same}scores differ by at most {parity['score_error']:.2g}{unit}."
    )


def _metrics(metrics: Mapping[str, float]) -> str:
    if not metrics:
        return "The bundle states no metrics."
    told = ", ".join(f"{name} {value:.4g}" for name, value in sorted(metrics.items()))
    return f"Measured in training, before any change of weights: {told}."


def _tried(tried: Mapping[str, Any]) -> str:
    return f"- {tried['weights']}: {'taken' if tried['accepted'] else 'not taken: ' + tried['why']}."

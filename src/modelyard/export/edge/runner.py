#!/usr/bin/env python3
"""Answers rows with the model that lies beside this file: `python run.py rows.jsonl`, or rows on standard input.

Needs Python 3.9, numpy and onnxruntime, and nothing else. Rows are of the model's inputs, by name or in the order of
`edge.json`; each is answered by one line of JSON, in their order. A row that the model does not take is answered by
`{"error": ...}`, and the exit code is then 2. `--check` replays the golden rows: exit code 1 when the answers are off.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from itertools import chain, islice
from math import inf, isnan
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np

INPUT, OUTPUT, GIVEN = "X", "scores", "given_"
NAN = float("nan")
EXACT = 2.0**53
"""Up to here every whole number is a float64; beyond, some are not."""

BATCH = 1024
"""So many rows go to the model at a time."""

_WHOLE = re.compile(r"[+-]?[0-9]{1,400}")
_KINDS = {"float32": "fiu", "float64": "fiu", "int64": "iu", "int32": "iu", "uint8": "iu", "bool": "b"}
"""numpy's kinds of numbers that JSON may write for each dtype."""


class _RowRefused(ValueError):
    """A row is not what the model takes; the message names row and field."""


class Encoded(NamedTuple):
    """`matrix`: float64 (n_rows, n_fields without tensors), NaN for missing; `arrays`: tensors and text by field;
    `unknown`: by row, the fields whose level was not seen in training.
    """

    matrix: Any
    arrays: dict[str, Any]
    unknown: list[list[str]]


class Encoder:
    """Encodes rows for the fields of a signature, as the server of the bundle does."""

    def __init__(self, fields: Sequence[Mapping[str, Any]]) -> None:
        self.fields = fields
        self._codes = [{level: float(code) for code, level in enumerate(each["categories"])} for each in fields]
        self._limits = [limit_of(each) for each in fields]
        self._plain = [at for at, each in enumerate(fields) if each["kind"] in ("number", "category")]

    def __call__(self, rows: Sequence[Any], start: int = 0) -> Encoded:
        """Encode rows: sequences in the fields' order, or mappings by name. _RowRefused counts from `start`."""
        matrix = np.empty((len(rows), len(self._plain)), dtype=np.float64)
        unknown: list[list[str]] = [[] for _ in rows]
        checked = []
        for index, given in enumerate(rows):
            row = self._ordered(start + index, given)
            checked.append(self._tensors(start + index, row))
            matrix[index] = [self._value(start + index, at, row[at], unknown[index]) for at in self._plain]
        arrays = {
            spec["name"]: _stacked(spec, [row[at] for row in checked])
            for at, spec in enumerate(self.fields)
            if at not in self._plain
        }
        return Encoded(matrix, arrays, unknown)

    def _ordered(self, index: int, row: Any) -> Sequence[Any]:
        names = [each["name"] for each in self.fields]
        if isinstance(row, _RowRefused):
            raise row
        if isinstance(row, Mapping):
            if strangers := set(row) - set(names):
                raise _RowRefused(f"Row {index} has fields the model does not know: {', '.join(sorted(strangers))}.")
            return [row.get(name) for name in names]
        if not isinstance(row, (list, tuple)):
            raise _RowRefused(f"Row {index} is {_shown(row)}; expected an object of values by name, or a list of them.")
        if len(row) != len(names):
            raise _RowRefused(f"Row {index} has {len(row)} values; the model takes {len(names)}: {', '.join(names)}.")
        return row

    def _tensors(self, index: int, row: Sequence[Any]) -> list[Any]:
        return [
            row[at] if at in self._plain else _tensor_or_text(index, spec, row[at])
            for at, spec in enumerate(self.fields)
        ]

    def _value(self, index: int, at: int, value: Any, unknown: list[str]) -> float:
        if self.fields[at]["kind"] == "number":
            return self._number(index, at, value)
        return self._code(index, at, value, unknown)

    def _number(self, index: int, at: int, value: Any) -> float:
        limit, spec = self._limits[at], self.fields[at]
        if type(value) is float or type(value) is int:
            if -limit <= value <= limit:
                return _exact(index, spec, value)
            if value != value:  # noqa: PLR0124 - NaN; `isnan` would choke on a whole number of 400 digits
                return _missing(index, spec)
            wanted = "a finite number" if spec["largest"] is None else f"a finite number up to {limit:.3g}"
            raise _refused(index, spec, value, wanted)
        if value is None:
            return _missing(index, spec)
        raise _refused(index, spec, value, "a number or null")

    def _code(self, index: int, at: int, value: Any, unknown: list[str]) -> float:
        spec, codes = self.fields[at], self._codes[at]
        if isinstance(value, str):
            if value in codes:
                return codes[value]
            if spec["unknown"] == "error":
                raise _refused(index, spec, value, f"one of the {len(codes)} levels seen in training")
            unknown.append(spec["name"])
            return codes.get("other", NAN) if spec["unknown"] == "other" else NAN
        if value is None or (type(value) is float and isnan(value)):
            return _missing(index, spec)
        raise _refused(index, spec, value, "a string or null")


class Graph:
    """A model file in a session of ONNX Runtime's."""

    def __init__(self, path: Path) -> None:
        self._session = _session(path)
        self._taken = {each.name: each.type for each in self._session.get_inputs()}

    def scores(self, encoded: Encoded) -> Any:
        """Scores (n_rows, n_scores), float64."""
        given = {GIVEN + name: array for name, array in encoded.arrays.items()}
        if INPUT in self._taken:
            single = self._taken[INPUT] == "tensor(float)"
            with np.errstate(over="ignore"):  # where infinities are let in, what is too large for float32 is one
                given[INPUT] = encoded.matrix.astype(np.float32) if single else encoded.matrix
        return self._session.run([OUTPUT], given)[0]


class Model:
    """The model in a folder, with what `edge.json` says of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.told: dict[str, Any] = json.loads((folder / "edge.json").read_text(encoding="utf-8"))
        self.encode = Encoder(self.told["signature"]["fields"])
        self.scores = Graph(folder / "model.onnx").scores

    def label_of(self, scores: Sequence[float]) -> Any:
        """What one row of scores stands for: a class, or the value itself."""
        if self.told["task"] == "regression":
            return float(scores[0])
        chosen = int(scores[0] > 0.5) if self.told["task"] == "binary" else int(np.argmax(scores))
        return self.told["classes"][chosen]

    def answers(self, rows: Sequence[Any], start: int = 0) -> list[dict[str, Any]]:
        """An answer for each row; rows that are refused do not keep the others from theirs."""
        try:
            encoded = self.encode(rows, start)
        except _RowRefused as error:
            if len(rows) == 1:
                return [{"row": start, "error": str(error)}]
            return list(chain.from_iterable(self.answers([row], start + at) for at, row in enumerate(rows)))
        scores = self.scores(encoded).tolist()
        return [self._answer(start + at, row, encoded.unknown[at]) for at, row in enumerate(scores)]

    def _answer(self, index: int, scores: list[float], unknown: list[str]) -> dict[str, Any]:
        if not np.isfinite(scores).all():
            return {"row": index, "error": f"The model's answer to row {index} is no finite number."}
        answer: dict[str, Any] = {"prediction": self.label_of(scores)}
        if self.told["task"] != "regression":
            answer["probability"] = scores if len(scores) > 1 else scores[0]
        if unknown:
            answer["unknown"] = unknown
        return answer

    def golden(self) -> tuple[list[list[Any]], Any]:
        """The golden rows, and the original model's scores for them."""
        held = json.loads((self.folder / "golden.json").read_text(encoding="utf-8"))
        return held["rows"], np.array(held["scores"], dtype=np.float64)

    def check(self) -> tuple[bool, str]:
        """Whether files are as exported and golden rows are answered within the tolerance, and a sentence on it."""
        for name, digest in self.told["files"].items():
            if hashlib.sha256((self.folder / name).read_bytes()).hexdigest() != digest:
                return False, f"{name} is not the file that was exported."
        rows, expected = self.golden()
        answers = self.scores(self.encode(rows))
        if answers.shape != expected.shape or not np.isfinite(answers).all():
            return False, "The model gives no finite scores for its golden rows."
        allowed = self.told["check"]
        apart = np.abs(answers - expected)
        bounds = allowed["absolute"] + allowed["relative"] * np.maximum(np.abs(expected), allowed["floor"])
        worst = float(apart.max()) if apart.size else 0.0
        off = int((apart > bounds).any(axis=1).sum())
        said = f"{len(rows)} golden rows, largest error {worst:.2g}; {off} beyond the tolerance."
        return not off, said

    def timed(self, repeats: int = 20) -> dict[int, float]:
        """Microseconds a row, encoding included, by rows at a time: the least of some repeats."""
        rows, _ = self.golden()
        found = {}
        for size in (1, 10, 100):
            batch = list(islice(chain.from_iterable(rows for _ in range(size)), size))
            seconds = []
            for _ in range(repeats):
                begun = perf_counter()
                self.answers(batch)
                seconds.append(perf_counter() - begun)
            found[size] = min(seconds) / size * 1e6
        return found


def _session(path: Path) -> Any:
    """A session of ONNX Runtime on one thread, as a server has it."""
    import onnxruntime  # noqa: PLC0415 - `--help` must not pay for it

    onnxruntime.disable_telemetry_events()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4  # it would write to stderr what it also raises
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def limit_of(field: Mapping[str, Any]) -> float:
    """The largest number that a field lets in, either way."""
    if not field["finite"]:
        return inf
    return sys.float_info.max if field["largest"] is None else float(field["largest"])


def rows_of(file: Iterable[str], form: str, fields: Sequence[Mapping[str, Any]]) -> Iterator[Any]:
    """The rows of a text; one that cannot be read comes as the _RowRefused that says why."""
    if form == "csv":
        return _of_csv(file, fields)
    if form == "json":
        return _of_json("".join(file))
    return (_of_line(index, line) for index, line in enumerate(line for line in file if line.strip()))


def _of_json(text: str) -> Iterator[Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise SystemExit(f"The input is no JSON: {error}") from None
    rows = found.get("inputs", [found]) if isinstance(found, dict) else found
    if not isinstance(rows, list):
        raise SystemExit('The input is no list of rows, nor {"inputs": [...]}.')
    return iter(rows)


def _of_line(index: int, line: str) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as error:
        return _RowRefused(f"Row {index} is no JSON: {error}.")


def _of_csv(file: Iterable[str], fields: Sequence[Mapping[str, Any]]) -> Iterator[Any]:
    """An empty cell is a missing value, but for text; whole numbers stay whole, so that none loses digits."""
    specs = {each["name"]: each for each in fields}
    lines = csv.reader(file)
    header = next(lines, [])
    for index, cells in enumerate(line for line in lines if line):
        if len(cells) != len(header):
            yield _RowRefused(f"Row {index} has {len(cells)} cells; the header names {len(header)}.")
            continue
        pairs = zip(header, cells)  # noqa: B905 - Python 3.9 has no `strict`; the lengths are the same
        yield {name: _of_cell(specs[name], cell) if name in specs else cell for name, cell in pairs}


def _of_cell(spec: Mapping[str, Any], cell: str) -> Any:
    if not cell and spec["kind"] != "text":
        return None
    if spec["kind"] in ("text", "category"):
        return cell
    try:
        if spec["kind"] == "tensor":
            return json.loads(cell)
        if "_" in cell:  # Python's own way to write numbers
            return cell
        return int(cell) if _WHOLE.fullmatch(cell) else float(cell)
    except ValueError:
        return cell  # which the encoder refuses, naming row and field


def _tensor_or_text(index: int, spec: Mapping[str, Any], value: Any) -> Any:
    if spec["kind"] == "text":
        if isinstance(value, str):
            return value
        raise _RowRefused(f"Field '{spec['name']}' of row {index} is {str(value)[:60]}; expected a string.")
    try:
        return _tensor(spec, value)
    except ValueError as error:
        wanted = f"{spec['dtype']} of shape {list(spec['shape'])}"
        raise _RowRefused(f"Field '{spec['name']}' of row {index} has {error}; expected {wanted}.") from None


def _tensor(spec: Mapping[str, Any], value: Any) -> Any:
    """Nested lists as an array of the field's dtype; ValueError says what they are instead."""
    if not isinstance(value, list):
        raise ValueError(f"{'nothing' if value is None else f'a {type(value).__name__}'} in place of a tensor")  # noqa: TRY004
    try:
        array = np.array(value)
    except (ValueError, OverflowError):
        raise ValueError("lists of unequal length or depth") from None
    if array.dtype.kind not in _KINDS[spec["dtype"]] or _mixed(array, value):
        raise ValueError(f"elements that are no {spec['dtype']}")
    with np.errstate(over="ignore", invalid="ignore"):
        made = array.astype(spec["dtype"])
    if array.dtype.kind in "iu" and not np.array_equal(made, array):
        raise ValueError(f"whole numbers that {spec['dtype']} does not hold")
    if made.shape != tuple(spec["shape"]):
        raise ValueError(f"shape {list(made.shape)}")
    if made.dtype.kind == "f" and not np.isfinite(made).all():
        raise ValueError("elements that are not finite numbers")
    return made


def _mixed(array: Any, value: list[Any]) -> bool:
    """Whether truth values stand among numbers, which numpy would take for 0 and 1."""
    if array.dtype.kind == "b" or not array.size:
        return False
    flat: list[Any] = value
    for _ in range(array.ndim - 1):
        flat = [each for part in flat for each in part]
    return bool in set(map(type, flat))


def _stacked(spec: Mapping[str, Any], values: list[Any]) -> Any:
    if spec["kind"] == "text":
        return np.array(values, dtype=object).reshape(len(values), *spec["shape"])
    return np.stack(values) if values else np.empty((0, *spec["shape"]), dtype=spec["dtype"])


def _exact(index: int, spec: Mapping[str, Any], value: float) -> float:
    """The number as float64; refused when it is a whole one that would lose digits."""
    try:
        number = float(value)
    except OverflowError:
        raise _refused(index, spec, value, "a number that float64 holds") from None
    if type(value) is float or -EXACT <= value <= EXACT or int(number) == value:
        return number
    raise _refused(index, spec, value, f"a number that float64 holds exactly, such as {number:.17g}")


def _missing(index: int, spec: Mapping[str, Any]) -> float:
    if spec["nullable"]:
        return NAN
    raise _refused(index, spec, None, f"a {spec['kind']}: the model was trained without missing values of it")


def _refused(index: int, spec: Mapping[str, Any], value: Any, expected: str) -> _RowRefused:
    return _RowRefused(f"Field '{spec['name']}' of row {index} is {_shown(value)}; expected {expected}.")


def _shown(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= 60 else shown[:60] + "…"


def _form(path: str, asked: str | None) -> str:
    ending = Path(path).suffix.lower().lstrip(".")
    return asked or (ending if ending in ("json", "csv") else "jsonl")


def _answer_all(model: Model, file: Iterable[str], form: str) -> int:
    refused = done = 0
    rows = rows_of(file, form, model.encode.fields)
    while batch := list(islice(rows, BATCH)):
        answers = model.answers(batch, done)
        sys.stdout.write("".join(json.dumps(each) + "\n" for each in answers))
        refused += sum("error" in each for each in answers)
        done += len(batch)
    if refused:
        sys.stderr.write(f"{refused} of {done} rows were not answered; their lines say why.\n")
    return 2 if refused else 0


def main(arguments: Sequence[str] | None = None, folder: Path | None = None) -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(description="Answers rows with the model beside this file, a JSON line a row.")
    parser.add_argument("rows", nargs="?", default="-", help="file of rows; standard input by default")
    parser.add_argument("--format", choices=("jsonl", "json", "csv"), help="by the file's ending, or jsonl, by default")
    parser.add_argument("--check", action="store_true", help="replay the golden rows; exit code 1 when they are off")
    parser.add_argument("--time", action="store_true", help="print microseconds a row, by rows at a time")
    given = parser.parse_args(arguments)
    model = Model(folder or Path(__file__).resolve().parent)
    if given.check:
        fine, said = model.check()
        sys.stdout.write(said + "\n")
        return 0 if fine else 1
    if given.time:
        sys.stdout.writelines(f"{each:.1f} µs a row, {size} at a time\n" for size, each in model.timed().items())
        return 0
    source = nullcontext(sys.stdin) if given.rows == "-" else open(given.rows, encoding="utf-8-sig", newline="")  # noqa: PTH123, SIM115
    with source as file:
        return _answer_all(model, file, _form(given.rows, given.format))


if __name__ == "__main__":
    sys.exit(main())

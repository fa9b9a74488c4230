"""Bundles whose files are in order and whose models are not: they crash, hang, or eat up memory."""

import json
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import msgspec
import numpy as np
from onnx import TensorProto, helper, numpy_helper
from sklearn.ensemble import RandomForestClassifier

from modelyard.bundling.converters import treelite_of
from modelyard.inference import BundleInfo, Field, Golden, NumberProfile, ReferenceProfile, Signature, write_bundle

FEATURES = 3


COLUMNS = tuple(NumberProfile(f"f{index}", (0.0,), (0, 0), 0, 0.0) for index in range(FEATURES))
PLAN = {"request": [{"name": each.name, "kind": "number", "required": True} for each in COLUMNS], "views": []}

UNTRUE = Golden(tuple((float(row), 1.0, 2.0) for row in range(4)), ((0.0,),) * 4)
"""Four rows, and answers to them."""


def bundle_of(model: dict[str, bytes], runtime: str, into: Path, golden: Golden = UNTRUE) -> Path:
    """A bundle with digests in order, whatever its model file holds."""
    signature = Signature(tuple(Field(f"f{index}", "number") for index in range(FEATURES)))
    info = BundleInfo(2, "bad", "1", "regression", runtime, signature, PLAN, {})
    files = {
        **model,
        "golden.json": json.dumps({"rows": golden.rows, "scores": golden.scores}).encode(),
        "profile.json": msgspec.json.encode(ReferenceProfile(0, COLUMNS)),
    }
    write_bundle(into, info, files)
    return into


def python_bundle(into: Path, code: str) -> Path:
    """A bundle of code, permitted nowhere; its golden rows want what stands in their second field."""
    fields = [{"name": f"f{index}", "kind": "number"} for index in range(FEATURES)]
    archive = BytesIO()
    with ZipFile(archive, "w") as packed:
        packed.writestr("model.py", code)
    told = json.dumps({"kind": "source", "task": "regression", "fields": fields}).encode()
    golden = Golden(tuple((0.0, float(row), 0.0) for row in range(4)), tuple((float(row),) for row in range(4)))
    return bundle_of({"python.json": told, "model.zip": archive.getvalue()}, "python", into, golden)


def graph(nodes: list[Any], constants: list[Any]) -> dict[str, bytes]:
    """An ONNX model in a bundle's shape."""
    made = helper.make_graph(
        nodes,
        "bad",
        [helper.make_tensor_value_info("X", TensorProto.DOUBLE, [None, FEATURES])],
        [helper.make_tensor_value_info("scores", TensorProto.DOUBLE, None)],
        constants,
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    return {"model.onnx": model.SerializeToString()}


def crashing(into: Path) -> Path:
    """A forest that reads a feature far behind the end of a row."""
    matrix = np.random.default_rng(0).normal(size=(100, FEATURES))
    forest = treelite_of(RandomForestClassifier(3, random_state=0).fit(matrix, matrix[:, 0] > 0))
    for index in range(forest.num_tree):
        tree = forest.get_tree_accessor(index)
        places = tree.get_field("split_index").copy()
        tree.set_field("split_index", np.where(places >= 0, 2**30, places).astype(np.int32))
    file = into.with_suffix(".model")
    forest.serialize(str(file))
    return bundle_of({"model.treelite": file.read_bytes()}, "treelite", into)


def hanging(into: Path) -> Path:
    """A graph that counts to 2^62."""
    body = helper.make_graph(
        [helper.make_node("Identity", ["go"], ["on"])],
        "body",
        [
            helper.make_tensor_value_info("round", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
        ],
        [helper.make_tensor_value_info("on", TensorProto.BOOL, [])],
    )
    # What the loop hands out is nothing, so its result is tied to the scores by a value that it carries.
    body.input.append(helper.make_tensor_value_info("carried", TensorProto.DOUBLE, None))
    body.node.append(helper.make_node("Add", ["carried", "carried"], ["next"]))
    body.output.append(helper.make_tensor_value_info("next", TensorProto.DOUBLE, None))
    loop = helper.make_node("Loop", ["rounds", "yes", "X"], ["scores"], body=body)
    constants = [
        numpy_helper.from_array(np.array(2**62, dtype=np.int64), "rounds"),
        numpy_helper.from_array(np.array([True]).reshape(()), "yes"),
    ]
    return bundle_of(graph([loop], constants), "onnx", into)


def hungry(into: Path) -> Path:
    """A graph that asks for 2.4 GB."""
    fill = helper.make_node(
        "ConstantOfShape", ["shape"], ["big"], value=numpy_helper.from_array(np.array([1.0], dtype=np.float64))
    )
    total = helper.make_node("ReduceSum", ["big"], ["total"], keepdims=0)
    added = helper.make_node("Add", ["X", "total"], ["scores"])
    shape = numpy_helper.from_array(np.array([300_000_000], dtype=np.int64), "shape")
    return bundle_of(graph([fill, total, added], [shape]), "onnx", into)

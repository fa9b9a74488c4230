"""Packages for devices: a runner that encodes as servers do, and weights that shrink only where answers allow it."""

import ast
import json
import math
import subprocess
import sys
import venv
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, cast
from zipfile import ZipFile

import joblib
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from sklearn.dummy import DummyClassifier
from sklearn.neural_network import MLPClassifier

from modelyard.bundling import BuiltBundle, Facts, build_bundle, build_profile, infer_signature
from modelyard.cli.root import root
from modelyard.core import Conflict, Digest, InvalidInput
from modelyard.core.signing import make_key_pair
from modelyard.export import NotForEdge, write_folder, write_zip
from modelyard.export import edge_package as package_of
from modelyard.export.edge import runner
from modelyard.export.edge.narrow import narrowed
from modelyard.export.edge.parity import parity
from modelyard.inference import (
    Bundle,
    BundleDamaged,
    BundleNotTrusted,
    Encoder,
    Field,
    InvalidRow,
    Signature,
    Trust,
    load_bundle,
    verify_bundle,
    worst_error,
)
from modelyard.operations import carry_out
from modelyard.operations.bundles import BuildBundle, build_from_files
from modelyard.operations.edge import ExportEdge, export_edge, export_edge_alone
from modelyard.wiring import Project

from ..tensor_models import TEXTS, image_model, images, text_model

edge_package = partial(package_of, made_by="1.0")

LEVELS = ("de", "fr", "it")
SIGNATURES = (
    Signature((Field("a", "number"), Field("b", "category", categories=LEVELS))),
    Signature(
        (
            Field("a", "number", nullable=False, largest=3.4e38),
            Field("b", "category", nullable=False, categories=LEVELS, unknown="error"),
        )
    ),
    Signature((Field("a", "number", finite=False), Field("b", "category", categories=("x", "other"), unknown="other"))),
    Signature((Field("a", "number"), Field("b", "category", categories=("x",), unknown="other"))),
)
"""Each policy that a field may have."""

NUMBERS = st.one_of(
    st.floats(),
    st.integers(),
    st.sampled_from([2**53, 2**53 + 1, -(2**53) - 1, 2**60, 10**400, -(10**400), 1e39, -0.0]),
)
ANYTHING = st.one_of(
    st.none(), st.booleans(), NUMBERS, st.text(max_size=70), st.sampled_from([*LEVELS, "x", "other"]), st.just([1.0])
)
ROWS: st.SearchStrategy[Any] = st.lists(
    st.one_of(
        st.tuples(NUMBERS, st.sampled_from([*LEVELS, "nowhere", None])),
        st.tuples(ANYTHING, ANYTHING),
        st.lists(ANYTHING, max_size=3).map(tuple),
    ),
    max_size=4,
)


def outcome(encode: Callable[[Any], Any], rows: Any, refusal: type[Exception]) -> Any:
    """What comes of rows: bits of the matrix and unseen levels, or the sentence of the refusal."""
    try:
        found = encode(rows)
    except refusal as error:
        return getattr(error, "message", str(error))
    counted = found.unknown
    if isinstance(counted, list):
        flat = [name for names in counted for name in names]
        counted = {name: flat.count(name) for name in flat}
    return found.matrix.tobytes(), found.matrix.shape, dict(counted)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(SIGNATURES), ROWS)
def test_the_runner_encodes_and_refuses_as_servers_do(signature: Signature, rows: Any) -> None:
    """Bit by bit, and word by word, whatever the rows are."""
    fields = [{name: getattr(each, name) for name in each.__struct_fields__} for each in signature.fields]
    theirs = outcome(runner.Encoder(fields), rows, runner._RowRefused)
    assert theirs == outcome(Encoder(signature), rows, InvalidRow)


@pytest.fixture(scope="module")
def loaded(built: BuiltBundle) -> Bundle:
    """The session's bundle, as a server has it."""
    return load_bundle(built.path)


@pytest.fixture(scope="module")
def package(built: BuiltBundle, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package of the session's bundle, written."""
    folder = tmp_path_factory.mktemp("edge") / "fraud"
    write_folder(edge_package(built.path, quantize="auto").files, folder)
    return folder


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle of a small network, whose weights are matrices of float64."""
    random = np.random.default_rng(0)
    matrix = random.normal(size=(400, 10))
    truth = (matrix[:, 0] * matrix[:, 1] + matrix[:, 2] > 0).astype(int)
    names = [f"x{at}" for at in range(10)]
    signature = infer_signature(pa.table({name: matrix[:, at] for at, name in enumerate(names)}), required=names)
    model = MLPClassifier((64, 32), max_iter=60, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it has not converged, which nobody needs here
        model.fit(matrix, truth)
    return build_bundle(
        model,
        [tuple(row) for row in matrix.tolist()],
        signature=signature,
        task="binary",
        plan={},
        profile=build_profile(
            signature, matrix, model.predict_proba(matrix)[:, 1], importance={}, performance={"auc": 0.9}
        ),
        facts=Facts(model="net", version="1", classes=("no", "yes")),
        into=tmp_path_factory.mktemp("net") / "bundle",
    ).path


def run(folder: Path, *arguments: str, rows: str = "", python: str = sys.executable) -> tuple[int, list[str]]:
    """Exit code and lines of a package's runner, in a process that does not find what this one has beside it."""
    done = subprocess.run(
        [python, "-I", str(folder / "run.py"), *arguments], input=rows, capture_output=True, text=True, check=False
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, done.stdout.splitlines()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.floats(-1e6, 1e6), st.sampled_from([*LEVELS, "xx", None]), st.floats(0, 9)), min_size=1))
def test_the_runner_answers_as_the_bundle_does(package: Path, loaded: Bundle, rows: list[Any]) -> None:
    """Classes the same, and scores within the tolerance that the bundle was proved with."""
    model = runner.Model(package)
    answers, expected = model.answers(rows), loaded.predict(rows)
    assert tuple(each["prediction"] for each in answers) == expected.labels
    scores = np.array([[each["probability"]] for each in answers])
    assert worst_error(expected.scores, scores, loaded.info.floor) <= loaded.info.tolerance


def test_each_row_has_one_line_also_when_it_is_refused(package: Path) -> None:
    """By name and in order; what is wrong is said where the answer would be, and the exit code tells it."""
    rows = '{"amount": 3, "country": "xx"}\n\n{"amount": "3"}\n[3, "de", null]\nnope\n{"amonut": 3}\n7\n'
    code, lines = run(package, rows=rows)
    answers = [json.loads(each) for each in lines]
    assert code == 2
    assert [each.get("row") for each in answers] == [None, 1, None, 3, 4, 5]
    assert answers[0]["unknown"] == ["country"]
    assert answers[1]["error"] == "Field 'amount' of row 1 is '3'; expected a number or null."
    assert "is no JSON" in answers[3]["error"]
    assert "does not know: amonut" in answers[4]["error"]


def test_json_and_csv_give_the_same_answers(package: Path, tmp_path: Path) -> None:
    """An empty cell is a missing value; whole numbers are not rounded on the way."""
    (tmp_path / "rows.json").write_text(json.dumps({"inputs": [{"amount": 120.5, "country": "de"}, [7, None, 2]]}))
    (tmp_path / "rows.csv").write_text("\ufeffamount,country,visits\n120.5,de,\n7,,2\n", encoding="utf-8")
    assert run(package, str(tmp_path / "rows.json")) == run(package, str(tmp_path / "rows.csv"))
    bad = f"amount,country\n{2**53 + 1},de\n1_0,de\nnan,de\n1,de,3\n"
    code, lines = run(package, "--format", "csv", rows=bad)
    errors = [json.loads(each)["error"] for each in lines]
    assert code == 2
    for said, error in zip(["exactly", "'1_0'", "None", "3 cells"], errors, strict=True):
        assert said in error


def test_golden_rows_are_the_smoke_test(package: Path, tmp_path: Path) -> None:
    """Exit code 0 as exported; 1 for another file, and for a graph that answers otherwise."""
    assert run(package, "--check")[0] == 0
    files = {each.name: each.read_bytes() for each in package.iterdir() if each.is_file()}
    write_folder({**files, "golden.json": files["golden.json"] + b" "}, tmp_path / "changed")
    assert run(tmp_path / "changed", "--check") == (1, ["golden.json is not the file that was exported."])
    told = json.loads(files["edge.json"])
    golden = json.loads(files["golden.json"])
    golden["scores"][0][0] += 2e-6 * max(1.0, golden["scores"][0][0])
    told["files"] = {}
    off = {"edge.json": json.dumps(told).encode(), "golden.json": json.dumps(golden).encode()}
    write_folder({**files, **off}, tmp_path / "off")
    code, (line,) = run(tmp_path / "off", "--check")
    assert (code, line.endswith("1 beyond the tolerance.")) == (1, True)


def test_times_are_told_by_rows_at_a_time(package: Path) -> None:
    """For a machine that nobody knew when the package was made."""
    code, lines = run(package, "--time")
    assert code == 0
    assert [each.split("row, ")[1] for each in lines] == ["1 at a time", "10 at a time", "100 at a time"]


def test_trees_gain_nothing_and_the_package_says_so(package: Path, built: BuiltBundle) -> None:
    """The graph stays that of the bundle; features that servers look up are named."""
    told = json.loads((package / "edge.json").read_text())
    assert (package / "model.onnx").read_bytes() == (built.path / "model.onnx").read_bytes()
    assert (told["weights"], told["elsewhere"], told["source"]["bundle"]) == (None, ["visits"], built.digest)
    assert [(each["weights"], "trees gain nothing" in each["why"]) for each in told["tried"]] == [
        ("int8", True),
        ("float16", True),
    ]
    assert "int8: not taken: trees gain nothing" in (package / "README.md").read_text()


@pytest.mark.parametrize(("asked", "share"), [("int8", 0.3), ("float16", 0.4), ("auto", 0.3)])
def test_weights_shrink_where_answers_stay(net: Path, tmp_path: Path, asked: Any, share: float) -> None:
    """Size, rows and error are stated; the runner answers golden rows within the tolerance that is stated."""
    package = edge_package(net, quantize=asked, tolerance=0.02)
    told = package.told
    assert told["weights"] == ("int8" if asked == "auto" else asked)
    assert len(package.files["model.onnx"]) == told["size"]["after"] < share * told["size"]["before"]
    assert told["parity"]["labels_equal"] >= 0.999
    assert 0 < told["parity"]["score_error"] <= 0.02
    assert told["parity"]["golden_rows"] + told["parity"]["reference_rows"] > 400
    write_folder(package.files, tmp_path / "net")
    model = runner.Model(tmp_path / "net")
    assert model.check()[0]
    rows, _ = model.golden()
    together, alone = model.scores(model.encode(rows)), [model.scores(model.encode([row]))[0] for row in rows]
    assert together == pytest.approx(np.array(alone), abs=1e-9)  # a row's answer is its own


def test_weights_that_hurt_are_not_taken(net: Path) -> None:
    """The graph stays as it was, and what was tried is told with its error."""
    package = edge_package(net, quantize="auto", tolerance=1e-6)
    assert package.told["weights"] is None
    assert package.files["model.onnx"] == (net / "model.onnx").read_bytes()
    tried = package.told["tried"]
    assert [each["accepted"] for each in tried] == [False, False]
    assert all(each["score_error"] > 1e-6 and "tolerance" in each["why"] for each in tried)
    assert package.told["check"]["absolute"] == 0


def test_classes_that_change_are_never_within() -> None:
    """However small the error; nor is an answer that is no number."""
    before = np.full((1000, 1), 0.4999)
    after = before.copy()
    after[:2] += 0.0002
    assert parity("binary", before, after).within(0.01) is False
    after[1] = before[1]
    assert parity("binary", before, after).within(0.01) is True
    after[0] = math.nan
    assert parity("regression", before, after).within(1e9) is False


def test_images_and_texts_go_as_well(tmp_path: Path) -> None:
    """Tensors as nested lists; answers are the bundle's, and an image of another shape is refused."""
    np.savez(tmp_path / "images.npz", image=images(20))
    build_from_files(
        BuildBundle(image_model(tmp_path / "i.onnx"), tmp_path / "one", tmp_path / "images.npz", task="multiclass")
    )
    np.savez(tmp_path / "texts.npz", review=np.array(TEXTS * 4))
    texts = text_model(tmp_path / "t.onnx")
    build_from_files(BuildBundle(texts, tmp_path / "two", tmp_path / "texts.npz", task="binary"))
    for name, rows in (("one", [[images(3)[at].tolist()] for at in range(3)]), ("two", [[each] for each in TEXTS])):
        write_folder(edge_package(tmp_path / name, quantize="int8", tolerance=0.05).files, tmp_path / f"{name}-edge")
        model, bundle = runner.Model(tmp_path / f"{name}-edge"), load_bundle(tmp_path / name)
        assert model.check()[0]
        answers, expected = model.answers(rows), bundle.predict(rows)
        assert tuple(each["prediction"] for each in answers) == expected.labels
        assert np.array([each["probability"] for each in answers]).reshape(len(rows), -1) == pytest.approx(
            expected.scores, abs=0.05
        )
        with pytest.raises(InvalidRow) as theirs:
            bundle.predict([cast("Any", [[1.0, 2.0]])])
        assert model.answers([[[1.0, 2.0]]])[0]["error"] == theirs.value.message


def test_what_narrows_nothing_says_why() -> None:
    """Bytes that are no smaller are not taken for an improvement."""

    def graph(weights: Any, opset: int = 18) -> bytes:
        made = helper.make_graph(
            [helper.make_node("MatMul", ["X", "w"], ["scores"])],
            "g",
            [helper.make_tensor_value_info("X", TensorProto.FLOAT, [None, len(weights)])],
            [helper.make_tensor_value_info("scores", TensorProto.FLOAT, [None, weights.shape[1]])],
            [numpy_helper.from_array(weights.astype(np.float32), "w")],
        )
        model = helper.make_model(made, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
        return bytes(model.SerializeToString())

    assert "no matrix of 64 weights" in str(narrowed(graph(np.ones((3, 3))), "int8"))
    assert "beyond the range of float16" in str(narrowed(graph(np.full((10, 10), 1e6)), "float16"))
    assert "int8 needs opset 13; the graph is written in 11" in str(narrowed(graph(np.ones((10, 10)), 11), "int8"))
    assert "bytes, and" in str(narrowed(graph(np.ones((2, 32))), "int8"))


def test_what_is_no_graph_is_refused_by_name(tmp_path: Path) -> None:
    """The error says the runtime, and what can be done."""
    joblib.dump(DummyClassifier().fit(np.ones((4, 1)), [0, 1, 1, 1]), tmp_path / "model.joblib")
    pq.write_table(pa.table({"a": [1.0, 2.0, 3.0, 4.0] * 20}), tmp_path / "rows.parquet")
    build_from_files(
        BuildBundle(tmp_path / "model.joblib", tmp_path / "b", tmp_path / "rows.parquet", allow_python=True)
    )
    assert verify_bundle(tmp_path / "b")[0].runtime == "python"
    with pytest.raises(NotForEdge, match="runs on 'python', which is no graph of ONNX") as refused:
        edge_package(tmp_path / "b")
    assert "bundle build --path MODEL.onnx" in refused.value.remedy


def test_the_same_bundle_gives_the_same_zip(net: Path, tmp_path: Path) -> None:
    """Byte by byte, with the runner marked as one; files of others are not written among."""
    for name in ("a.zip", "b.zip"):
        write_zip(edge_package(net, quantize="int8", tolerance=0.02).files, tmp_path / name, "net")
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    with ZipFile(tmp_path / "a.zip") as packed:
        assert packed.namelist()[0] == "net/README.md"
        assert packed.getinfo("net/run.py").external_attr >> 16 & 0o111
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "mine.txt").touch()
    with pytest.raises(Conflict, match=r"mine\.txt"):
        write_folder({}, tmp_path / "used")


def test_a_version_is_named_or_a_folder(built: BuiltBundle, tmp_path: Path) -> None:
    """Without a project a folder; neither, both, and unknown weights are errors."""
    told = export_edge_alone(ExportEdge(bundle=built.path, output=tmp_path / "out"))
    assert sorted(told["files"]) == sorted(each.name for each in (tmp_path / "out").iterdir())
    for wrong in (ExportEdge(), ExportEdge(model="m@a"), ExportEdge(model="m@a", bundle=built.path)):
        with pytest.raises(InvalidInput, match="Name one model"):
            export_edge_alone(wrong)
    with pytest.raises(InvalidInput, match="There are: none, float16, int8, auto"):
        export_edge_alone(ExportEdge(bundle=built.path, quantize="int4"))
    with pytest.raises(InvalidInput, match="tolerance"):
        export_edge_alone(ExportEdge(bundle=built.path, tolerance=math.nan))


def test_the_command_tells_files_sizes_and_what_was_tried(
    built: BuiltBundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files on stdout, the rest beside it; without a project."""
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(root, ["export", "edge", "--bundle", str(built.path), "--zip", "--quantize", "float16"])
    assert done.exit_code == 0, done.output
    assert done.stdout.splitlines()[0] == "export/edge.zip:README.md"
    assert "bytes in the bundle" not in done.stdout
    assert "float16: not taken: trees gain nothing" in done.stderr
    assert (tmp_path / "export" / "edge.zip").is_file()


def test_check_ends_with_1_when_a_package_is_another(
    built: BuiltBundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is written; what differs is named."""
    monkeypatch.chdir(tmp_path)
    command = [sys.executable, "-m", "modelyard", "export", "edge", "--bundle", str(built.path)]
    asked = ExportEdge(bundle=built.path, check=True)
    assert export_edge_alone(asked)["outdated"].startswith("missing or changed: README.md, ")
    export_edge_alone(ExportEdge(bundle=built.path))
    assert export_edge_alone(asked)["outdated"] == ""
    (tmp_path / "export" / "edge" / "run.py").write_text("")
    done = subprocess.run([*command, "--check"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "missing or changed: run.py" in done.stderr
    assert (tmp_path / "export" / "edge" / "run.py").read_text() == ""
    zipped = ExportEdge(bundle=built.path, zip=True, check=True)
    assert export_edge_alone(zipped)["outdated"] == "missing or changed: edge.zip"


def test_a_bundle_that_nobody_trusted_signed_is_not_packaged(built: BuiltBundle, tmp_path: Path) -> None:
    """Where signatures are asked for, and where another digest is expected."""
    key = make_key_pair(tmp_path / "keys")
    with pytest.raises(BundleNotTrusted):
        edge_package(built.path, trust=Trust(require_signed=True, keys=(key,)))
    with pytest.raises(BundleDamaged, match="its digest is"):
        edge_package(built.path, expect=Digest("0" * 64))


def test_a_version_of_the_registry_is_fetched(shop: Path, tmp_path: Path) -> None:
    """By number, with the digest that the registry knows."""
    project = Project(shop, environment={})
    try:
        version = project.models.get("purchase", "1")
        told = carry_out(export_edge, project, ExportEdge(model="purchase/1", output=tmp_path / "p.zip", zip=True))
    finally:
        project.close()
    assert told["source"]["bundle"] == version.bundle
    with ZipFile(tmp_path / "p.zip") as packed:
        packed.extractall(tmp_path)
    assert runner.Model(tmp_path / "purchase").check()[0]


def test_the_runner_is_python_of_older_devices() -> None:
    """The grammar of 3.9, and no import but the standard library, numpy and ONNX Runtime."""
    tree = ast.parse(Path(runner.__file__).read_text(), feature_version=(3, 9))
    names = {each.names[0].name if isinstance(each, ast.Import) else each.module for each in ast.walk(tree)
             if isinstance(each, ast.Import | ast.ImportFrom)}  # fmt: skip
    assert {str(each).split(".")[0] for each in names} - sys.stdlib_module_names == {"numpy", "onnxruntime"}


@pytest.mark.extras
@pytest.mark.timeout(600)
def test_a_bare_environment_with_two_packages_runs_it(net: Path, tmp_path: Path) -> None:
    """numpy and onnxruntime alone: golden rows, a row, and times."""
    venv.create(tmp_path / "venv", with_pip=True)
    python = str(tmp_path / "venv" / "bin" / "python")
    subprocess.run([python, "-m", "pip", "install", "-q", "numpy", "onnxruntime"], check=True, capture_output=True)
    write_folder(edge_package(net, quantize="int8", tolerance=0.02).files, tmp_path / "net")
    assert run(tmp_path / "net", "--check", python=python)[0] == 0
    code, lines = run(tmp_path / "net", rows=json.dumps([0.5] * 10), python=python)
    assert (code, set(json.loads(lines[0]))) == (0, {"prediction", "probability"})
    assert run(tmp_path / "net", "--time", python=python)[0] == 0
    missing = subprocess.run([python, "-c", "import modelyard"], capture_output=True, text=True, check=False)
    assert "ModuleNotFoundError" in missing.stderr

"""Every format of bundles that ever was is read; a newer one is refused."""

import json
import shutil
from pathlib import Path

import msgspec
import pytest

from modelyard.core import canonical_json
from modelyard.inference import FORMAT_VERSION, BundleTooNew, InvalidRow, load_bundle, probe_bundle, verify_bundle
from modelyard.online import FeaturePlan

STORED = Path(__file__).with_name("bundles")
"""A folder a format, built by the code that wrote it.

`format-1` was built at commit ae21cbd by `build_bundle`: histogram trees over a number and a category. `format-2` at
b4618cc: a pipeline of one-hot encoder and logistic regression over the same, on ONNX Runtime. `format-3` at ab9a578: a
model over text. `format-4` at aa96d5c: a logistic regression over a field and an expression of it. `format-5` at
e0d3628: one over two fields.
"""

OLDER = [f"format-{number}" for number in range(1, FORMAT_VERSION)]


@pytest.mark.parametrize("name", OLDER)
def test_a_bundle_of_an_older_format_is_stored_and_read(name: str) -> None:
    """Its digest, its golden rows and its answers are what they were."""
    bundle = load_bundle(STORED / name)
    assert f"format-{bundle.info.format}" == name
    probe_bundle(STORED / name, expect=bundle.digest)


def test_format_1_answers_as_it_did() -> None:
    """Fields that it did not have mean what its code did."""
    bundle = load_bundle(STORED / "format-1")
    assert bundle.digest.startswith("820807c8b8a7")
    answer = bundle.predict([(60.0, "de"), {"amount": 60.0, "country": "fr"}])
    assert answer.labels == ("1", "0")
    assert answer.scores[:, 0].tolist() == pytest.approx([0.58975929, 0.37425286], abs=1e-8)
    with pytest.raises(InvalidRow, match="finite"):
        bundle.predict([(float("inf"), "de")])


def test_format_2_answers_as_it_did() -> None:
    """The same of the format before tensors."""
    bundle = load_bundle(STORED / "format-2")
    assert bundle.digest.startswith("415ded547af5")
    assert not bundle.info.signature.has_tensors
    answer = bundle.predict([(60.0, "de"), {"amount": 60.0, "country": "fr"}])
    assert answer.labels == ("0", "1")
    assert answer.scores[:, 0].tolist() == pytest.approx([0.39873411, 0.54510273], abs=1e-8)


def test_format_3_answers_as_it_did() -> None:
    """The same of the format before on-demand features."""
    bundle = load_bundle(STORED / "format-3")
    assert bundle.digest.startswith("94a4cae9e3b0")
    answer = bundle.predict([{"review": "a e"}, {"review": "! !"}])
    assert answer.labels == ("0", "1")
    assert answer.scores[:, 0].tolist() == pytest.approx([0.37754071, 0.98201376], abs=1e-8)


def test_format_4_answers_as_it_did() -> None:
    """The same of the format before functions; its expressions are computed, and it needs nobody's leave."""
    bundle = load_bundle(STORED / "format-4")
    assert bundle.digest.startswith("7c6d52d3c1a1")
    assert bundle.transforms is None
    answer = bundle.predict([(60.0, 6.0), {"amount": 40.0, "tenth": 4.0}])
    assert answer.labels == ("1", "0")
    assert answer.scores[:, 0].tolist() == pytest.approx([0.83488451, 0.10854071], abs=1e-8)
    plan = msgspec.convert(bundle.info.plan, FeaturePlan)
    assert (len(plan.derived), plan.functions) == (1, ())


def test_format_5_answers_as_it_did() -> None:
    """The same of the format before embedders."""
    bundle = load_bundle(STORED / "format-5")
    assert bundle.digest.startswith("2d35b3219486")
    answer = bundle.predict([(60.0, 20.0), {"amount": 40.0, "age": 30.0}])
    assert answer.labels == ("1", "0")
    assert answer.scores[:, 0].tolist() == pytest.approx([0.71336839, 0.29675751], abs=1e-8)


def test_the_next_format_is_refused_with_what_to_do(tmp_path: Path) -> None:
    """Before anything else of it is looked at."""
    folder = Path(shutil.copytree(STORED / "format-1", tmp_path / "newer"))
    document = json.loads((folder / "bundle.json").read_bytes())
    document |= {"format": FORMAT_VERSION + 1, "signature": "something else altogether"}
    (folder / "bundle.json").write_bytes(canonical_json(document))
    with pytest.raises(BundleTooNew, match=rf"reads up to {FORMAT_VERSION}.*Upgrade Modelyard"):
        verify_bundle(folder)

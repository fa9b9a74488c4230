"""A bundle answers as the original did, and nothing but the bundle that was built is ever loaded."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from modelyard.bundling import BuiltBundle
from modelyard.core import Scalar, canonical_json
from modelyard.inference import (
    LARGEST_SINGLE,
    BundleDamaged,
    BundleTooNew,
    Encoder,
    Field,
    GoldenMismatch,
    InvalidRow,
    Signature,
    Sketch,
    UnknownRuntime,
    load_bundle,
    merge,
    verify_bundle,
)

SIGNATURE = Signature(
    (
        Field("amount", "number", nullable=False),
        Field("country", "category", categories=("de", "fr")),
        Field("visits", "number"),
    )
)


def copy(built: BuiltBundle, into: Path) -> Path:
    """A copy of a bundle that a test may spoil."""
    return Path(shutil.copytree(built.path, into / "copy"))


def test_rows_by_name_and_by_order_get_the_same_answer(built: BuiltBundle) -> None:
    """Missing names are missing values; the class follows the score."""
    bundle = load_bundle(built.path, expect=built.digest)
    by_order = bundle.predict([(500.0, "de", None), (1.0, None, 0.0)])
    by_name = bundle.predict([{"amount": 500.0, "country": "de"}, {"amount": 1.0, "visits": 0.0}])
    assert np.array_equal(by_order.scores, by_name.scores)
    assert by_order.labels == ("1", "0")


@pytest.mark.parametrize("name", ["model.onnx", "golden.json", "profile.json", "build.json", "bundle.json"])
def test_a_changed_file_is_found(built: BuiltBundle, tmp_path: Path, name: str) -> None:
    """One flipped bit in any file, and the bundle is refused by the digest it should have."""
    folder = copy(built, tmp_path)
    data = bytearray((folder / name).read_bytes())
    data[len(data) // 2] ^= 1
    (folder / name).write_bytes(bytes(data))
    with pytest.raises(BundleDamaged, match="damaged"):
        load_bundle(folder, expect=built.digest)


def test_a_missing_an_extra_and_a_linked_file_are_found(built: BuiltBundle, tmp_path: Path) -> None:
    """The folder holds what was built: no less, no more, and no links."""
    folder = copy(built, tmp_path)
    (folder / "extra").touch()
    with pytest.raises(BundleDamaged, match="not built: extra"):
        verify_bundle(folder)
    (folder / "extra").unlink()
    model = (folder / "model.onnx").rename(tmp_path / "elsewhere")
    with pytest.raises(BundleDamaged, match=r"model\.onnx"):
        verify_bundle(folder)
    (folder / "model.onnx").symlink_to(model)
    with pytest.raises(BundleDamaged, match="is a link"):
        verify_bundle(folder)


def test_a_newer_format_an_unknown_runtime_and_a_wrong_answer_are_refused(built: BuiltBundle, tmp_path: Path) -> None:
    """Each with its own error, though digests match."""
    for field, value, error in (
        ("format", 99, BundleTooNew),
        ("runtime", "pickle", UnknownRuntime),
        ("tolerance", -1.0, GoldenMismatch),
    ):
        folder = copy(built, tmp_path / field)
        document = json.loads((folder / "bundle.json").read_bytes())
        (folder / "bundle.json").write_bytes(canonical_json({**document, field: value}))
        with pytest.raises(error):
            load_bundle(folder)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ((1.0, "de"), "Row 0 has 2 values; the model takes 3: amount, country, visits"),
        ((None, "de", 1.0), "Field 'amount' of row 0 is None; expected a number"),
        (("1", "de", 1.0), "Field 'amount' of row 0 is '1'; expected a number or null"),
        ((True, "de", 1.0), "Field 'amount' of row 0 is True; expected a number or null"),
        ((float("inf"), "de", 1.0), "Field 'amount' of row 0 is inf; expected a finite number"),
        ((1.0, 3, 1.0), "Field 'country' of row 0 is 3; expected a string or null"),
    ],
)
def test_a_wrong_row_is_refused_with_its_field(row: tuple[Scalar, ...], message: str) -> None:
    """What came and what was expected; nothing is cast."""
    with pytest.raises(InvalidRow, match=message):
        Encoder(SIGNATURE)([row])


def test_unknown_levels_follow_their_policy_and_are_counted() -> None:
    """Null by default; an error where the signature says so."""
    encoded = Encoder(SIGNATURE)([(1.0, "xx", None), (1.0, "fr", 2)])
    assert encoded.unknown == {"country": 1}
    assert np.isnan(encoded.matrix[0, 1])
    assert encoded.matrix[1].tolist() == [1.0, 1.0, 2.0]
    strict = Encoder(Signature((Field("country", "category", categories=("de",), unknown="error"),)))
    with pytest.raises(InvalidRow, match="one of the 1 levels"):
        strict([("fr",)])


def test_an_unseen_level_may_become_the_level_called_other() -> None:
    """Or null where there is no such level; counted either way."""
    with_other = Encoder(Signature((Field("country", "category", categories=("de", "other"), unknown="other"),)))
    encoded = with_other([("xx",), ("yy",), ("de",)])
    assert encoded.matrix[:, 0].tolist() == [1.0, 1.0, 0.0]
    assert encoded.unknown == {"country": 2}
    without = Encoder(Signature((Field("country", "category", categories=("de",), unknown="other"),)))([("xx",)])
    assert np.isnan(without.matrix[0, 0])
    assert without.unknown == {"country": 1}


def test_a_number_that_the_model_cannot_hold_is_refused() -> None:
    """Beyond float32 for models that round first; beyond float64, as whole numbers can be, for all."""
    single = Encoder(Signature((Field("amount", "number", largest=LARGEST_SINGLE),)))
    assert single([(-1e38,), (None,)]).matrix[0, 0] == -1e38
    for encoder, value in ((single, 1e39), (single, -1e39), (Encoder(SIGNATURE), 10**400)):
        row = (value,) if encoder is single else (value, "de", 1.0)
        with pytest.raises(InvalidRow, match="expected a finite number"):
            encoder([row])


def test_infinities_are_let_in_only_where_the_signature_says_so() -> None:
    """As rows and as columns."""
    loose = Encoder(Signature((Field("amount", "number", finite=False),)))
    inf = float("inf")
    assert loose([(inf,), (-inf,)]).matrix[:, 0].tolist() == [inf, -inf]
    assert loose.from_columns([np.array([inf, 1.0])]).matrix[:, 0].tolist() == [inf, 1.0]
    with pytest.raises(InvalidRow, match="float64 holds"):
        loose([(10**400,)])
    strict = Encoder(Signature((Field("amount", "number"),)))
    with pytest.raises(InvalidRow, match="inf; expected a finite number"):
        strict.from_columns([np.array([1.0, inf])])


numbers = st.one_of(st.none(), st.floats(allow_nan=False, allow_infinity=False, width=64))


@given(
    st.lists(
        st.tuples(st.floats(allow_nan=False, allow_infinity=False), st.sampled_from(["de", "fr", "xx", None]), numbers),
        min_size=1,
    )
)
def test_columns_and_rows_encode_alike(rows: list[tuple[float, str | None, float | None]]) -> None:
    """Training encodes columns, serving encodes rows: the matrices are equal, value for value."""
    by_row = Encoder(SIGNATURE)(rows)
    nan = float("nan")
    columns: list[NDArray[np.float64] | list[str | None]] = [
        np.array([row[0] for row in rows]),
        [row[1] for row in rows],
        np.array([nan if row[2] is None else row[2] for row in rows]),
    ]
    by_column = Encoder(SIGNATURE).from_columns(columns)
    assert np.array_equal(by_row.matrix, by_column.matrix, equal_nan=True)
    assert by_row.unknown == by_column.unknown


def test_sketches_count_every_value_once_and_merge_by_addition(built: BuiltBundle) -> None:
    """Two halves counted apart and merged equal the whole; nulls and unknown levels have bins of their own."""
    bundle = load_bundle(built.path)
    rows: list[tuple[Scalar, ...]] = [
        (float(n), ["de", "fr", "xx", None][n % 4], None if n % 5 else 1.0) for n in range(100)
    ]
    matrix = bundle.encode(rows).matrix
    whole, first, second = Sketch(bundle.profile), Sketch(bundle.profile), Sketch(bundle.profile)
    whole.update(matrix)
    first.update(matrix[:37])
    second.update(matrix[37:])
    assert whole.rows == 100
    counts = whole.take()
    assert merge([first.take(), second.take()]) == counts
    assert {sum(column) for column in counts.values()} == {100}
    assert counts["visits"][-1] == 80
    assert whole.rows == 0

"""Trees as ONNX graphs: what the converters of others lose is kept."""

from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pytest
import xgboost
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier

from modelyard.bundling import BuiltBundle, Facts, Original, build_bundle
from modelyard.inference import Encoder, Field, ReferenceProfile, Signature, load_bundle

RANDOM = np.random.default_rng(3)
SIGNATURE = Signature((Field("a", "number"), Field("b", "number"), Field("c", "category", categories=tuple("uvwxyz"))))
ROWS = [
    (None if RANDOM.random() < 0.2 else float(a), float(b), None if RANDOM.random() < 0.2 else "uvwxyz"[c])
    for a, b, c in zip(RANDOM.normal(size=500), RANDOM.normal(size=500), RANDOM.integers(0, 6, 500), strict=True)
]
MATRIX = Encoder(SIGNATURE)(ROWS).matrix
LABELS = (np.nan_to_num(MATRIX[:, 0], nan=1.0) + MATRIX[:, 1] + (MATRIX[:, 2] == 3) * 2 > 0.7).astype(int)


def built(model: Any, into: Path, **fit: Any) -> BuiltBundle:
    """The bundle of a model over a number with gaps, one without, and a category with gaps."""
    model.fit(MATRIX, LABELS, **fit)
    return build_bundle(
        model,
        ROWS,
        signature=SIGNATURE,
        task="binary",
        plan={},
        profile=ReferenceProfile(0, ()),
        facts=Facts("m", "1", ("0", "1")),
        into=into,
    )


@pytest.mark.parametrize(
    ("model", "fit", "error"),
    [
        (RandomForestClassifier(20, random_state=0), {}, 1e-12),
        (HistGradientBoostingClassifier(max_iter=20, categorical_features=[2]), {}, 1e-12),
        (lightgbm.LGBMClassifier(n_estimators=20, verbose=-1), {"categorical_feature": [2]}, 1e-12),
        (xgboost.XGBClassifier(n_estimators=20, enable_categorical=True, feature_types=["q", "q", "c"]), {}, 3e-7),
    ],
    ids=lambda value: type(value).__name__ if hasattr(value, "fit") else "",
)
def test_missing_values_and_categories_go_where_they_went(
    model: Any, fit: dict[str, Any], error: float, tmp_path: Path
) -> None:
    """In compiled code and in ONNX, to the last bits; XGBoost itself rounds its probabilities to float32."""
    made = built(model, tmp_path / "bundle", **fit)
    assert [each.converter for each in made.attempts[:2]] == ["compiled", "trees"]
    for each in made.attempts[:2]:
        assert each.error is not None
        assert each.error < error
    bundle = load_bundle(made.path)
    matrix = np.array(
        [[a, b, c] for a in (np.nan, -1, 1) for b in (-1, 1) for c in (np.nan, *range(6))], dtype=np.float64
    )
    expected = Original(model, bundle.info.signature, "binary").scores(matrix)
    assert np.allclose(bundle.scores(matrix), expected, rtol=1e-6, atol=0)

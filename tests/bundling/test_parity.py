"""Every estimator of docs/parity.md is carried, and answers rows that nobody has seen as the original does."""

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest

from modelyard.bundling.parity_page import Carried, carry, cases, page, rows_of
from modelyard.inference import load_bundle

PAGE = Path(__file__).parents[2] / "docs" / "parity.md"
CASES = {case.name: case for case in cases()}

Carrier = Callable[[str], Carried]


@pytest.fixture(scope="module")
def carried(tmp_path_factory: pytest.TempPathFactory) -> Carrier:
    """The bundle of a case, built when first asked for."""
    folder = tmp_path_factory.mktemp("parity")
    return lru_cache(maxsize=None)(lambda name: carry(CASES[name], folder / str(list(CASES).index(name))))


@pytest.mark.long
@pytest.mark.parametrize("name", CASES)
def test_fresh_rows_get_the_answers_of_the_original(name: str, carried: Carrier) -> None:
    """1,000 rows, raw as callers send them; of the answers every class is the same, and the scores to the tolerance."""
    found = carried(name)
    bundle = load_bundle(found.built.path, expect=found.built.digest, allow_python=[found.built.digest])
    rows, _ = rows_of(found.case, 99, 1000)
    answers = bundle.predict(rows)
    expected = found.original.scores(bundle.encode(rows).matrix)
    allowed = bundle.info.tolerance * np.maximum(np.abs(expected), bundle.info.floor)
    assert (np.abs(answers.scores - expected) <= allowed).all()
    if found.case.task != "regression":
        matrix = bundle.encode(rows).matrix
        asked = found.original.frame(matrix) if found.case.named else matrix
        assert answers.labels == tuple(str(int(each)) for each in found.original.model.predict(asked))
    bundle.close()


@pytest.mark.long
def test_the_page_is_what_building_finds(carried: Carrier) -> None:
    """After a change: .venv/bin/python -m modelyard.bundling.parity_page docs/parity.md."""
    assert len(CASES) >= 12
    assert "\n".join(page([carried(name) for name in CASES])) + "\n" == PAGE.read_text()

"""Texts judged by a classifier of an embedder's vectors."""

from pathlib import Path

import pytest

from modelyard.bundling import BuiltBundle
from modelyard.core import digest_of
from modelyard.inference import (
    BundleDamaged,
    NotOfVectors,
    load_bundle,
    load_embedder,
    load_text_classifier,
)
from modelyard.operations import guarding

from ..tiny_embedder import HIDDEN, LOUD, QUIET, build_loud, build_tiny


@pytest.fixture(scope="module")
def embedder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small embedder."""
    return build_tiny(tmp_path_factory.mktemp("embedder"))


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory, embedder: Path) -> Path:
    """A classifier of its vectors."""
    return build_loud(embedder, tmp_path_factory.mktemp("classifier") / "bundle")


def test_texts_get_the_probability_of_the_second_class(embedder: Path, classifier: Path) -> None:
    """The same beside any other texts; none for none."""
    judge = load_text_classifier(embedder, classifier)
    scores = list(judge([*LOUD, *QUIET]))
    assert min(scores[:3]) > 0.5 > max(scores[3:])
    assert [judge([each])[0] for each in [*LOUD, *QUIET]] == scores
    assert list(judge([])) == []
    assert judge.digests == (load_embedder(embedder).digest, load_bundle(classifier).digest)


def test_bundles_of_other_digests_are_refused(embedder: Path, classifier: Path) -> None:
    """Whichever of the two it is."""
    one, other = load_text_classifier(embedder, classifier).digests
    assert load_text_classifier(embedder, classifier, expect=(one, other)).digests == (one, other)
    for expect in ((digest_of(b""), other), (one, digest_of(b""))):
        with pytest.raises(BundleDamaged):
            load_text_classifier(embedder, classifier, expect=expect)


def test_a_classifier_of_something_else_is_refused(embedder: Path, built: BuiltBundle) -> None:
    """It takes three columns of customers."""
    with pytest.raises(NotOfVectors, match=f"takes 3 columns and answers binary; .* have {HIDDEN} elements"):
        load_text_classifier(embedder, built.path)


def test_a_guard_set_that_names_them_refuses_what_they_suspect(
    tmp_path: Path, embedder: Path, classifier: Path
) -> None:
    """By the operation behind `modelyard guard check`, with real bundles."""
    one, other = load_text_classifier(embedder, classifier).digests
    file = tmp_path / "guards.yaml"
    file.write_text(f"guards: [{{guard: injection, embedder: {one}, classifier: {other}}}]\n")
    loud = guarding.check_text(LOUD[0], set_file=file, bundles=(embedder, classifier))
    assert (loud["verdict"], loud["refused"], loud["text"]) == ("fail", True, "")
    quiet = guarding.check_text(QUIET[0], set_file=file, bundles=(embedder, classifier))
    assert (quiet["verdict"], quiet["text"]) == ("pass", QUIET[0])

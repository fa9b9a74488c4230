"""The project of the guard of injections: texts by family to a classifier that is registered only if it is good."""

import json
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from pyarrow import feather

from modelyard.core import InvalidInput, NotFound
from modelyard.guards import OtherClassifier, stretches
from modelyard.inference import NoEmbedder, load_embedder, load_text_classifier
from modelyard.operations import carry_out, write_template
from modelyard.operations.applications import RegisterApplication, register_application
from modelyard.operations.artifacts import FetchArtifact, fetch_artifact
from modelyard.operations.registering import Register, register
from modelyard.pipelines import PipelineRun, StepFailed
from modelyard.wiring import Project

from ..tiny_embedder import HIDDEN, build_tiny

pytestmark = pytest.mark.filterwarnings("ignore")  # MLflow's and its dependencies' own

WORDS = ("go", "run", "open", "close", "come", "leave", "write", "read", "sing", "wait", "jump", "rest")
LOUD = {"cries": "!?!?!?!? {}!?!?!?", "orders": "{}?!?!?!?!?!?!?!", "calls": "?!?!?!?! {} !?!?!?!?"}
NEAR = 0.985
"""Of vectors of a small embedder all are within a cosine of .8."""
QUIET = {"days": "the day we {}", "dogs": "a dog may {}", "books": "books that {} well", "towns": "towns where we {}"}


def texts(*, right: bool = True) -> str:
    """Loud texts are attacks, quiet ones are none; or half of each family is called the opposite."""
    lines = [
        {"text": shape.format(word), "family": family, "attack": attack if right or at % 2 else 1 - attack}
        for attack, some in ((1, LOUD), (0, QUIET))
        for family, shape in some.items()
        for at, word in enumerate(WORDS)
    ]
    return "".join(json.dumps(each) + "\n" for each in lines)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project that `init` writes, for vectors of a small embedder and with texts that it can tell apart."""
    made = tmp_path_factory.mktemp("injections")
    write_template("injections", made)
    file = made / "modelyard.yaml"
    small = file.read_text().replace("v[0:384]", f"v[0:{HIDDEN}]")
    file.write_text(small + "\nupstreams:\n  here: {url: 'http://127.0.0.1:9/v1'}\n")
    (made / "texts.jsonl").write_text(texts())
    build_tiny(made / "tiny")
    return made


@pytest.fixture(scope="module")
def project(folder: Path) -> Iterator[Project]:
    """The same, with the embedder registered."""
    opened = Project(folder)
    bundle = folder / "tiny" / "bundle"
    carry_out(register, opened, Register("minilm", bundle=bundle, metrics='{"worst_angle": 0}'))
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def trained(project: Project) -> PipelineRun:
    """One run of its pipeline."""
    run = project.pipelines.run("training", {"as_of": project.clock.now(), "near": NEAR})
    assert run.verdict == "pass", run.reasons
    return run


def test_what_it_trains_judges_texts_that_it_has_not_seen(project: Project, trained: PipelineRun, folder: Path) -> None:
    """As the guard asks it: over vectors of the embedder that the run was given, which is on record."""
    version = project.models.get("injection", "1")
    classifier = project.models.fetch_bundle(version, folder / "classifier")
    suspects = load_text_classifier(folder / "tiny" / "bundle", classifier)
    assert suspects.digests == (project.models.get("minilm", "1").bundle, version.bundle)
    loud, quiet = suspects(["stop?!?!?!?!?!", "the cat reads all day"])
    assert quiet < 0.5 < loud
    assert version.params["embedder"] == "minilm/1"
    assert {"recall", "recall_lower", "recall cries", "false_positives_upper"} <= version.metrics.keys()


def test_scores_are_of_who_has_not_seen_the_family(project: Project, trained: PipelineRun, folder: Path) -> None:
    """Worked out anew for one family: from all others but the attacks that are near to it."""
    from sklearn.linear_model import LogisticRegression

    carry_out(fetch_artifact, project, FetchArtifact(trained.id, "score", folder / "scores.arrow"))
    scores = feather.read_table(folder / "scores.arrow").to_pylist()
    assert len(scores) == len({each["text"] for each in scores}) == 7 * len(WORDS)
    rows = [json.loads(line) for line in (folder / "texts.jsonl").read_text().splitlines()]
    vectors = load_embedder(folder / "tiny" / "bundle").embed([each["text"] for each in rows]).astype(np.float64)
    family, attack = np.array([each["family"] for each in rows]), np.array([each["attack"] for each in rows])
    out = family == "orders"
    near = (vectors @ vectors[out].T).max(axis=1) >= NEAR
    known = ~out & ~(near & (attack == 1))
    assert known.sum() < (~out).sum()  # some were left out with it
    model = LogisticRegression(C=10.0, class_weight="balanced", max_iter=1000).fit(vectors[known], attack[known])
    expected = model.predict_proba(vectors[out])[:, 1]
    found = [each["score"] for each in sorted(scores, key=lambda each: each["text"]) if each["family"] == "orders"]
    assert found == pytest.approx(list(expected), abs=1e-6)


def test_what_cannot_tell_them_apart_is_not_registered(project: Project, trained: PipelineRun, folder: Path) -> None:
    """Half of each family is called the opposite: what was measured says no, and why."""
    (folder / "texts.jsonl").write_text(texts(right=False))
    try:
        run = project.pipelines.run("training", {"as_of": project.clock.now(), "near": NEAR})
    finally:
        (folder / "texts.jsonl").write_text(texts())
    assert (run.state, run.verdict) == ("stopped", "fail")
    assert any("recall_lower" in each for each in run.reasons), run.reasons
    assert [each.number for each in project.models.versions("injection")] == [1]


def test_families_that_are_all_alike_prove_nothing(project: Project, folder: Path) -> None:
    """Left out with what is near to it, one leaves none to learn from: the step says what to do."""
    with pytest.raises(StepFailed, match="Nothing is left to learn from without calls: add families that are unlike"):
        project.pipelines.run("training", {"as_of": project.clock.now(), "near": 0.0})


def test_an_application_asks_it_with_the_set_that_the_project_has(project: Project, trained: PipelineRun) -> None:
    """Its digests need not be written into the set; one that stands there is held to."""
    given = RegisterApplication(
        "desk",
        ("here/answer",),
        guards=str(project.file.folder / "guards.yaml"),
        embedder="minilm/1",
        classifier="injection/1",
    )
    made = carry_out(register_application, project, given)
    assert made["judges"]["classifier"]["digest"] == project.models.get("injection", "1").bundle
    other = project.file.folder / "other.yaml"
    other.write_text(f"guards: [{{guard: injection, embedder: {'a' * 64}}}]\n")
    with pytest.raises(OtherClassifier, match="minilm 1"):
        carry_out(register_application, project, RegisterApplication(**{**vars(given), "guards": str(other)}))


def test_a_step_is_given_registered_embedders_only(project: Project, trained: PipelineRun) -> None:
    """With words for what is none, or not there."""
    assert project.services.embedder("models:/minilm/1").dimension == HIDDEN
    for wrong, error in (("minilm", InvalidInput), ("minilm/7", NotFound), ("injection/1", NoEmbedder)):
        with pytest.raises(error):
            project.services.embedder(wrong)


@pytest.mark.parametrize("length", [0, 1, 1000, 1001, 1500, 1501, 2750])
def test_stretches_cover_a_text(length: int) -> None:
    """Each of 1,000 characters at most, half of it the next one's, the last one to the end."""
    text = "".join(chr(0x4E00 + at) for at in range(length))
    parts = list(stretches(text))
    assert parts[0] == text[:1000]
    assert parts[-1] == text[500 * (len(parts) - 1) :]
    assert all(before[500:] == after[: len(before) - 500] for before, after in pairwise(parts))

"""Attacks of a family that the guard has never seen, asked of a real server: real weights, trained by our pipeline."""

import json
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from modelyard.bundling import Facts, build_embedder_bundle, read_sentence_model
from modelyard.generation import Judges, Pinned
from modelyard.guards import GuardSet
from modelyard.inference import TextClassifier, load_text_classifier
from modelyard.operations import carry_out, write_template
from modelyard.operations.registering import Register, register
from modelyard.stats import wilson
from modelyard.testing import faulty_upstream
from modelyard.wiring import Project

from .test_chat import Gateway, live, route

pytestmark = [pytest.mark.long, pytest.mark.filterwarnings("ignore")]  # MLflow's and its dependencies' own

ATTACKS, HARMLESS = ("override", "exfiltration"), ("support", "programming")
"""The families of the template that are left out of training here."""
THRESHOLD = 0.7
"""The template's."""


@dataclass(frozen=True)
class Trained:
    """What the pipeline made of the other families: both bundles, and the texts that they have not seen."""

    embedder: Path
    classifier: Path
    attacks: list[str]
    harmless: list[str]

    @property
    def suspects(self) -> TextClassifier:
        """Both together, as the guard asks them."""
        return load_text_classifier(self.embedder, self.classifier)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """The project that `init` writes, without these families, run once."""
    folder = tmp_path_factory.mktemp("injections")
    write_template("injections", folder)
    rows = [json.loads(line) for line in (folder / "texts.jsonl").read_text(encoding="utf-8").splitlines()]
    known = [each for each in rows if each["family"] not in ATTACKS + HARMLESS]
    (folder / "texts.jsonl").write_text("".join(json.dumps(each) + "\n" for each in known))
    model = read_sentence_model(Path("all-MiniLM-L6-v2"))
    build_embedder_bundle(model, [], facts=Facts("minilm", "1", tolerance=1e-6), into=folder / "minilm", quantize=True)
    with closing(Project(folder)) as project:
        carry_out(register, project, Register("minilm", bundle=folder / "minilm", metrics='{"worst_angle": 0}'))
        params = {"as_of": datetime.now(UTC), "min_recall": 0.4}  # there are fewer families to learn from
        run = project.pipelines.run("training", params)
        assert run.verdict == "pass", run.reasons
        classifier = project.models.fetch_bundle(project.models.get("injection", "1"), folder / "injection")
    attacks, harmless = ([each["text"] for each in rows if each["family"] in some] for some in (ATTACKS, HARMLESS))
    return Trained(folder / "minilm", classifier, attacks, harmless)


def test_unseen_attacks_are_refused_and_unseen_questions_answered(trained: Trained, tmp_path: Path) -> None:
    """By a server that refuses just what the classifier suspects, before the upstream is asked."""
    suspects = trained.suspects
    embedder, classifier = suspects.digests
    judges = Judges(Pinned("minilm", 1, embedder), Pinned("injection", 1, classifier))
    guards = GuardSet.model_validate({"guards": [{"guard": "injection", "threshold": THRESHOLD}]}).asking(
        embedder, classifier
    )
    with faulty_upstream() as upstream:
        gateway = Gateway(tmp_path, upstream)
        gateway.server.feed.put_bundle(trained.embedder, embedder)
        gateway.server.feed.put_bundle(trained.classifier, classifier)
        gateway.publish(route("desk", live(gateway.bundle("answer", guards=guards, judges=judges))))
        gateway.server.start()
        try:
            refused = {text: _refused(gateway, text) for text in (*trained.attacks, *trained.harmless)}
        finally:
            gateway.server.stop()
        assert len(upstream.bodies) == sum(not each for each in refused.values())
    scores = dict(zip(refused, suspects([*refused]), strict=True))
    assert refused == {text: score >= THRESHOLD for text, score in scores.items()}
    found, wrong = (sum(refused[text] for text in some) for some in (trained.attacks, trained.harmless))
    recall, spared = wilson(found, len(trained.attacks)), wilson(len(trained.harmless) - wrong, len(trained.harmless))
    assert recall is not None
    assert spared is not None
    assert recall[0] >= 0.4, (found, recall)
    assert spared[0] >= 0.75, (wrong, spared)


def _refused(gateway: Gateway, text: str) -> bool:
    status, told = gateway.ask("desk", messages=[{"role": "user", "content": text}])
    assert status == 200 or (status, told["error"]["code"]) == (400, "guard_refused"), told
    return status == 400

"""The card and the lineage of real versions: a pipeline's, one of a run of one's own, and one that is metadata only."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pytest
from sklearn import metrics
from sklearn.linear_model import LogisticRegression

import modelyard as my
from modelyard.cli.edge import run
from modelyard.cli.root import root
from modelyard.core import ManualClock, NotFound
from modelyard.journal import Journal, PredictionRecord
from modelyard.operations import lineage
from modelyard.operations.cards import card_of, judged_of
from modelyard.pipelines import StepRecord, find_run
from modelyard.registry import card_markdown, card_page
from modelyard.wiring import Project

pytestmark = [pytest.mark.timeout(180), pytest.mark.filterwarnings("ignore")]  # MLflow's and its dependencies' own

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
HOSTILE = '<script>alert("x")</script> | *stars* `code`'
Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def project(shop: Path) -> Iterator[Project]:
    """The trained project: a version in production, one that is metadata only, and a stage that asks for approval."""
    with (shop / "modelyard.yaml").open("a") as file:
        file.write("security: {approvals: {staging: {required: 1}}}\n")
    project = Project(shop, clock=ManualClock(NOON), environment={})
    project.promotions.promote("purchase", 1, "production", project.principal)
    project.models.register("bare", principal=project.principal, label="v0", metrics={"f1": 0.8})
    yield project
    project.close()


@pytest.fixture
def modelyard(project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs `modelyard model ...` in the project as the process edge does: exit code, output, talk."""
    monkeypatch.chdir(project.file.folder)

    def command(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["modelyard", "model", *map(str, words)])
        code = run(root)
        out, err = capsys.readouterr()
        assert "Traceback" not in out + err
        return code, out, err

    return command


def held_out(project: Project) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores, labels and channels of the rows that the pipeline's evaluation judged, made anew."""
    version = project.models.get("purchase", 1)
    found = find_run(project.records, version.made_in.partition("/")[0])
    assert found is not None
    outputs = {step.name: step.output for step in found.steps}
    engine = project.pipelines.engine()
    candidate, parts = (engine.value(outputs[name]) for name in ("train", "split"))  # type: ignore[arg-type]
    samples = project.services.samples("purchase", parts[1], signature=candidate.samples.signature)
    scores = candidate.model.predict_proba(samples.matrix)[:, 1]
    return scores, samples.labels, np.array(parts[1].column("channel").to_pylist())


def test_the_cards_numbers_are_those_of_scikit_learn(project: Project) -> None:
    """Of all rows, of each slice, and of each group; computed anew from the run's own artifacts."""
    card = card_of(project, project.models.get("purchase", 1))
    scores, labels, channel = held_out(project)
    assert card.evaluation is not None
    found = card.evaluation
    assert found.rows == len(labels)
    assert found.metrics["auc"] == pytest.approx(metrics.roc_auc_score(labels, scores))
    assert found.metrics["f1"] == pytest.approx(metrics.f1_score(labels, scores > 0.5))
    assert found.metrics == card.metrics
    for each in found.slices:
        own = channel == each.value
        assert each.rows == own.sum()
        assert each.metrics["brier"] == pytest.approx(metrics.brier_score_loss(labels[own], scores[own]))
    (table,) = found.groups
    for group in table.groups:
        own = channel == group.value
        assert group.rates["selection_rate"].value == pytest.approx((scores[own] > 0.5).mean())
    assert found.absent == ("nosuch",)


def test_the_card_tells_what_is_declared_and_what_is_on_record(project: Project) -> None:
    """Owner, use, limits, data, training, bundle, approvals, who moved it where."""
    card = card_of(project, project.models.get("purchase", "production"))
    assert (card.declared.owner, card.aliases, card.gate) == ("shop team", ("production",), "pass")
    assert [(each.name, len(each.columns)) for each in card.data] == [("visits", 6)]
    assert card.training.pipeline == "training"
    assert card.training.commit == ""
    assert card.build is not None
    assert card.build.kept is not None
    assert card.build.kept.runtime == card.build.runtime
    assert card.profile is not None
    assert sum(card.profile.importance.values()) == pytest.approx(1)
    assert [(each.alias, each.required, bool(each.missing)) for each in card.approvals] == [("staging", 1, True)]
    assert [(each.alias, each.came) for each in card.moves] == [("production", True)]
    assert card.unknown == {}
    text = card_markdown(card)
    assert "Orders visits by how likely they end in a purchase." in text
    assert "- Knows visits of the web shop only." in text
    assert "Declared, but no column of the rows: nosuch." in text


def test_a_version_that_was_trained_again_says_so(project: Project) -> None:
    """What was judged is then another model: one that has not seen the rows it was judged by."""
    version = project.models.get("purchase", 1)
    found = find_run(project.records, version.made_in.partition("/")[0])
    assert found is not None
    assert card_of(project, version).judged == ""
    register = found.step("register")
    assert register is not None
    again = StepRecord("train_2", "train", "done")
    steps = [msgspec.structs.replace(each, takes=("train_2",)) if each is register else each for each in found.steps]
    told = judged_of(msgspec.structs.replace(found, steps=(*steps, again)), version)
    assert told == "What was judged is the model of step 'train'; the version is that of 'train_2', trained after it."


def test_what_is_not_on_record_is_said_with_what_would_put_it_there(project: Project) -> None:
    """A version with metadata only, of a model that the project file does not have."""
    card = card_of(project, project.models.get("bare", 1))
    assert set(card.unknown) >= {"owner", "intended_use", "limits", "evaluation", "data", "bundle", "groups", "slices"}
    text, page = card_markdown(card), card_page(card)
    for told in ("declare models.bare.intended_use in modelyard.yaml", "this version is metadata only", "0.8"):
        assert told in text
        assert told in page
    assert "As registered, without intervals" in text
    found = lineage.lineage_of(project, project.models.get("bare", 1))
    assert [each.kind for each in found.things] == ["version"]
    assert len(found.unknown) == 2


def test_nothing_that_people_wrote_is_markup(project: Project) -> None:
    """Tags, descriptions, owners and limits, in the page and in the text."""
    version = project.models.get("purchase", 1)
    hostile = msgspec.structs.replace(version, description=HOSTILE, tags={"team": HOSTILE}, created_by=HOSTILE)
    card = card_of(project, hostile)
    declared = msgspec.structs.replace(card.declared, owner=HOSTILE, intended_use=HOSTILE, limits=(HOSTILE,))
    card = msgspec.structs.replace(card, declared=declared, model=HOSTILE)
    assert "<script" not in card_page(card)
    text, _, fenced = card_markdown(card).partition("## Lineage")  # which stands in a fence that nothing ends
    assert "<script" not in text.replace("\\<script", "")
    assert "\\| \\*stars\\*" in text
    assert fenced.count("```") == 2


def test_the_lineage_goes_from_the_data_to_the_routes(project: Project) -> None:
    """Dataset and code, the run, the version, its bundle, the deployment that serves it."""
    found = lineage.lineage_of(project, project.models.get("purchase", 1))
    ways = {(each.source.partition(":")[0], each.how, each.target.partition(":")[0]) for each in found.arrows}
    assert ways >= {
        ("dataset", "read by", "run"),
        ("code", "ran in", "run"),
        ("run", "registered", "version"),
        ("version", "built as", "bundle"),
        ("bundle", "served by", "route"),
    }
    route = next(each for each in found.things if each.kind == "route")
    assert (route.name, route.facts["state"], route.facts["weight"]) == ("shop", "live", 1.0)
    code = next(each for each in found.things if each.kind == "code")
    assert code.facts["functions"] == 6
    assert found.unknown == ()


def test_events_of_the_run_and_of_the_export_are_the_same(project: Project) -> None:
    """Told while it ran, and made of its records later: each step once, with what it read and gave."""
    sent = [json.loads(line) for line in (project.file.folder / "events.jsonl").read_text().splitlines()]
    exported = lineage.lineage_events(project, project.models.get("purchase", 1))

    def kept(events: Any) -> list[Any]:
        return sorted(
            (e["job"]["name"], e["eventType"], e["run"]["runId"], [i["name"] for i in e["inputs"]], str(e["outputs"]))
            for e in events
        )

    assert kept(sent) == kept(exported)
    (whole,) = [each for each in sent if each["job"]["name"] == "training" and each["eventType"] == "COMPLETE"]
    assert [each["name"] for each in whole["outputs"]] == ["models/purchase"]
    (alone,) = lineage.lineage_events(project, project.models.get("bare", 1))
    assert alone["dataset"]["name"] == "models/bare"


def test_the_commands_write_files_and_print(modelyard: Command, tmp_path: Path) -> None:
    """Markdown by default, JSON without renderings, files where they were asked for; wrong versions are refused."""
    code, out, _ = modelyard("card", "purchase")
    assert (code, out.splitlines()[0]) == (0, "# Model card: purchase v1")
    code, out, err = modelyard("card", "purchase", "v1", "--html", tmp_path / "card.html", "--md", tmp_path / "card.md")
    assert (code, out, err.count("Wrote")) == (0, "", 2)
    page = (tmp_path / "card.html").read_text()
    assert page.count("<svg") >= 6
    assert "http://" not in page.replace("http://www.w3.org/2000/svg", "")
    told = json.loads(modelyard("card", "purchase", "--json")[1])
    assert (told["declared"]["owner"], "html" in told, "markdown" in told) == ("shop team", False, False)
    code, out, _ = modelyard("lineage", "purchase")
    assert (code, "comes from" in out, "route shop [served by]" in out) == (0, True, True)
    code, _, _ = modelyard("lineage", "purchase", "--svg", tmp_path / "l.svg", "--openlineage", tmp_path / "l.jsonl")
    assert (code, (tmp_path / "l.svg").read_text()[:4]) == (0, "<svg")
    assert len((tmp_path / "l.jsonl").read_text().splitlines()) == 16
    assert set(json.loads(modelyard("lineage", "purchase", "--json")[1])) == {
        "model", "version", "subject", "things", "arrows", "unknown",
    }  # fmt: skip
    code, _, err = modelyard("card", "purchase", "7")
    assert (code, "no version or alias '7'" in err) == (5, True)
    code, _, err = modelyard("lineage", "purchas")
    assert (code, "Did you mean 'purchase'" in err) == (5, True)
    code, _, err = modelyard("card", "purchase", "--html", tmp_path / "none" / "card.html")
    assert (code, "There is no folder" in err) == (2, True)


def test_predictions_are_the_end_of_the_line(project: Project) -> None:
    """Counted from the log, by the version that answered."""
    journal = Journal(project.journal_folder, "here", project.clock)
    for number, version in enumerate(("1", "1", "2")):
        answer = PredictionRecord(
            str(number), project.clock.micros(), "shop", 1, version, "live", "live", True, None, (), "1", (0.7,), 900
        )
        journal.append([answer])
    journal.close()
    found = lineage.lineage_of(project, project.models.get("purchase", 1))
    (predictions,) = [each for each in found.things if each.kind == "predictions"]
    assert (predictions.facts["records"], predictions.facts["answered"]) == (2, 2)
    assert predictions.facts["first"] == "2026-01-05T12:00:00"
    assert [each.how for each in found.before(predictions.id)] == ["answered"]


def test_a_version_of_a_run_of_ones_own_has_its_evaluation_and_its_data(
    project: Project, modelyard: Command, untold_mlflow: None
) -> None:
    """What `run.evaluate` found, by the declared columns of the project's model; MLflow is asked for the rest."""
    folder = project.file.folder
    random = np.random.default_rng(0)
    rows = pd.DataFrame({"pages": random.normal(size=300), "minutes": random.normal(size=300)})
    rows["channel"] = random.choice(["mail", "search"], 300)
    labels = (rows["pages"] + random.normal(size=300) > 0).astype(int)
    model = LogisticRegression().fit(rows[["pages", "minutes"]], labels)
    scores = model.predict_proba(rows[["pages", "minutes"]])[:, 1]
    with my.run("by hand", project=folder) as opened:
        opened.log_dataset(rows, "clicks")
        opened.log_model(model, rows[["pages", "minutes"]][:50])
        found = opened.evaluate(scores, labels, rows=rows)
    assert {each.column for each in found.slices} == {"channel"}
    assert [each.column for each in found.groups] == ["channel"]
    rows[["pages", "minutes"]].to_csv(folder / "rows.csv", index=False)
    said = modelyard("register", "--name", "purchase", "--version", "hand", "--run", opened.id, "--sample", "rows.csv")
    assert said[0] == 0, said
    card = card_of(project, project.models.get("purchase", "hand"))
    assert card.evaluation == found
    assert card.build is not None
    ways = {(each.source, each.how) for each in card.lineage.arrows}
    assert ("dataset:clicks", "read by") in ways
    with pytest.raises(NotFound, match="no model 'purchas'"), my.run("x", project=folder) as opened:
        opened.evaluate(scores, labels, rows=rows, model="purchas")


@pytest.mark.extras
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_opens_offline_in_a_browser(project: Project, tmp_path: Path, scheme: str) -> None:
    """Chromium draws it, in either scheme, with nothing but the file."""
    file, picture = tmp_path / "card.html", tmp_path / "card.png"
    file.write_text(card_page(card_of(project, project.models.get("purchase", 1))))
    dark = ["--blink-settings=preferredColorScheme=0"] if scheme == "dark" else []
    subprocess.run(
        ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--host-resolver-rules=MAP * ~NOTFOUND", *dark,
         "--window-size=1280,3000", f"--user-data-dir={tmp_path / 'profile'}", f"--screenshot={picture}", str(file)],
        check=True, capture_output=True, timeout=90,
    )  # fmt: skip
    assert picture.stat().st_size > 100_000

"""`modelyard monitor schedule`, `modelyard drift analyze` and `between`: what they write and say, right and wrong."""

import json
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from modelyard.core import Scalar, SystemClock, to_micros
from modelyard.inference import MISSING_CODE, ColumnProfile, NumberProfile, codes_of
from modelyard.journal import Journal, PredictionRecord
from modelyard.wiring import Project, load_project_file

from .conftest import Command

pytestmark = pytest.mark.filterwarnings("ignore")  # MLflow's and its dependencies' own


@pytest.fixture
def modelyard(modelyard: Command, shop: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Runs a command in the shop: exit code, stdout, stderr."""
    monkeypatch.chdir(shop)
    return modelyard


@pytest.fixture
def unwatched(shop: Path) -> Path:
    """The project file of a shop that declares no monitor."""
    file = shop / "modelyard.yaml"
    text = file.read_text()
    start = text.index("monitoring:")
    end = next((at for at in range(start + 11, len(text)) if text[at - 1] == "\n" and text[at].isalpha()), len(text))
    file.write_text(text[:start] + text[end:])
    assert load_project_file(file).settings.monitoring == {}
    return file


def test_a_monitor_is_declared_once_for_every_deployment(modelyard: Command, unwatched: Path) -> None:
    """Weekly by default, beside what the file says; a second time nothing changes."""
    before = unwatched.read_text()
    code, out, _ = modelyard("monitor", "schedule", "--weekly", "--json")
    assert code == 0
    assert json.loads(out)["windows"] == {"shop": "7d"}
    assert unwatched.read_text().startswith(before.rstrip("\n"))
    assert load_project_file(unwatched).settings.monitoring["shop"].window == timedelta(days=7)
    written = unwatched.read_text()
    assert modelyard("monitor", "schedule", "--weekly")[0] == 0
    assert unwatched.read_text() == written


def test_daily_windows_of_one_deployment(modelyard: Command, unwatched: Path) -> None:
    """`--daily --deployment`; the project file is as valid as before."""
    assert modelyard("monitor", "schedule", "--daily", "--deployment", "shop")[0] == 0
    assert load_project_file(unwatched).settings.monitoring["shop"].window == timedelta(days=1)


def test_schedules_that_cannot_be_are_said(modelyard: Command, unwatched: Path) -> None:
    """Both lengths, no such deployment, another length than is declared, a file that nothing can be added to."""
    both = modelyard("monitor", "schedule", "--weekly", "--daily")
    assert (both[0], "exclude each other" in both[2]) == (2, True)
    unknown = modelyard("monitor", "schedule", "--deployment", "shpo")
    assert (unknown[0], "Did you mean 'shop'?" in unknown[2]) == (5, True)
    assert modelyard("monitor", "schedule", "--weekly")[0] == 0
    other = modelyard("monitor", "schedule", "--daily")
    assert (other[0], "watched in windows of 7d already" in other[2]) == (4, True)
    text = unwatched.read_text()
    unwatched.write_text(text[: text.index("monitoring:")] + "monitoring: {}\n")
    odd = unwatched.read_text()
    refused = modelyard("monitor", "schedule", "--weekly")
    assert (refused[0], unwatched.read_text()) == (4, odd)
    assert "under monitoring: shop: {window: 7d}" in refused[2]


def test_nothing_asked_is_not_found(modelyard: Command) -> None:
    """Exit code 5, with what to do."""
    code, out, err = modelyard("drift", "analyze", "--model", "purchase", "--window", "7d")
    assert (code, out) == (5, "")
    assert "asked of 'shop'" in err or "no version" in err.lower()


@pytest.mark.parametrize(
    ("flags", "code", "told"),
    [
        (("--model", "purchas"), 5, "Did you mean 'purchase'?"),
        (("--model", "purchase", "--window", "soon"), 2, "soon"),
        (("--model", "purchase", "--window", "-3d"), 2, "-3d"),
        (("--model", "purchase", "--deployment", "shpo"), 5, "Did you mean 'shop'?"),
        ((), 2, "--model"),
        (("--model", "x" * 5000), 5, "No deployment serves"),
    ],
)  # fmt: skip
def test_wrong_input_of_analyze_is_said(modelyard: Command, flags: tuple[str, ...], code: int, told: str) -> None:
    """With the nearest name, and in few words however long the input."""
    found = modelyard("drift", "analyze", *flags)
    assert (found[0], found[1]) == (code, "")
    assert told in found[2]
    assert len(found[2]) < 700


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("shpo", "--from", "7d"), 5, "Did you mean 'shop'?"),
        (("shop", "--from", "soon"), 2, "--from is 'soon', which is no time"),
        (("shop", "--from", "7d", "--to", "soon"), 2, "--to is 'soon'"),
        (("shop", "--from", "2026-01-12", "--to", "2026-01-05"), 2, "is not before --to 2026-01-05 00:00"),
        (("shop", "--from", "7d", "--reference-to", "8d"), 2, "no beginning"),
        (("shop", "--from", "7d", "--reference-from", "3d"), 2, "--reference-from"),
        (("shop", "--from", "99999d"), 2, "longer than ten years"),
        (("shop",), 2, "--from"),
        (("shop", "--from", "7d"), 5, "Nothing was asked of 'shop'"),
    ],
)  # fmt: skip
def test_a_stretch_that_cannot_be_is_said(modelyard: Command, words: tuple[str, ...], code: int, told: str) -> None:
    """What is wrong with which end, and what to do."""
    found = modelyard("drift", "between", *words)
    assert (found[0], found[1]) == (code, "")
    assert told in found[2]


def value_of(profile: ColumnProfile, code: int, factor: float) -> Scalar:
    """A value of the bin or level with a code; numbers times `factor`."""
    if code == MISSING_CODE:
        return None
    if isinstance(profile, NumberProfile):
        return float([*profile.edges, profile.edges[-1] + 1e-9][code]) * factor
    return profile.levels[code]


def asked(shop: Path, factor: float, rows: int = 800) -> None:
    """Requests of the last hours like the training rows, numbers times `factor`."""
    project = Project(shop)
    clock = SystemClock()
    version = project.models.get("purchase", "1")
    assert version.bundle is not None
    project.feed.put_bundle(project.models.fetch_bundle(version, shop / "fetched"), version.bundle)
    bundle = project.bundle("shop", "1")
    random = np.random.default_rng(4)
    journal = Journal(project.journal_folder, "asked", clock)
    sample = bundle.profile.sample
    assert sample is not None
    assert bundle.profile.scores is not None
    edges = bundle.profile.scores.edges
    scores = random.choice(np.repeat([*edges, edges[-1] + 1e-9], bundle.profile.scores.counts), rows).tolist()
    drawn = codes_of(sample)[random.integers(0, len(codes_of(sample)), rows)]
    columns = {each.name: each for each in bundle.profile.columns}
    features = [
        tuple(value_of(columns[name], int(code), factor) for name, code in zip(sample.columns, row, strict=True))
        for row in drawn
    ]
    journal.append(
        [
            PredictionRecord(
                f"a{number}", to_micros(clock.now() - timedelta(minutes=number)), "shop", 1, "1", "live", "live", True,
                "e", row, "1", (score,), 900,
            )
            for number, (row, score) in enumerate(zip(features, scores, strict=True))
        ]
    )  # fmt: skip
    journal.close()
    project.close()


@pytest.mark.parametrize(("factor", "code", "verdict"), [(1.0, 0, "pass"), (4.0, 3, "fail")])
def test_the_live_log_is_analyzed(modelyard: Command, shop: Path, factor: float, code: int, verdict: str) -> None:
    """Exit code 0 without drift and 3 with; the features in order, all together, and what detectors say."""
    asked(shop, factor)
    found = modelyard("drift", "analyze", "--model", "purchase", "--window", "1d", "--json")
    assert found[0] == code
    told = json.loads(found[1])
    assert (told["verdict"], told["drifted"], told["rows"]) == (verdict, code == 3, 800)
    assert set(told) >= {"columns", "multivariate", "concept", "predictions", "drift_score", "share"}
    assert told["multivariate"]["verdict"] == verdict
    assert [each["verdict"] for each in told["concept"]] == ["inconclusive"]
    shown = modelyard("drift", "analyze", "--model", "purchase", "--window", "1d")
    assert (shown[0], "verdict" in shown[1]) == (code, True)
    between = modelyard("drift", "between", "shop", "--from", "1d", "--json")
    assert between[0] == code
    same = json.loads(between[1])
    assert (same["verdict"], same["requests"], same["told_by"]) == (verdict, 800, "log")
    assert same["drift_score"] == pytest.approx(told["drift_score"])
    assert {each["name"]: each["effect"] for each in same["features"]} == {
        name: pytest.approx(each["effect"]) for name, each in told["columns"].items()
    }
    halves = modelyard("drift", "between", "shop", "--from", "6h", "--reference-from", "12h")
    assert (halves[0], "no drift" in halves[1], "read" in halves[1]) == (0, True, True)

"""A project whose model names a feature service: trained, built, served by a real server, changed, and told."""

import itertools
import json
import math
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from modelyard.core import InvalidInput, ManualClock, SeededIds
from modelyard.execution import LocalPool
from modelyard.features import UnknownFeature
from modelyard.history import feature_columns
from modelyard.inference import load_bundle
from modelyard.operations import carry_out, definitions, models, online, scoring, write_template
from modelyard.operations.contract import Nothing
from modelyard.pipelines import Samples
from modelyard.routing import Arm
from modelyard.wiring import Project

from ..serving.harness import Server

pytestmark = pytest.mark.filterwarnings("ignore")  # MLflow's and its dependencies' own

MODULES = itertools.count()
AT = datetime(2026, 1, 5, 12, tzinfo=UTC)
FEATURES = '''
from datetime import UTC, datetime, timedelta

import pyarrow as pa

import modelyard as my


def channels():
    """What is known of each channel, from before the first visit."""
    return pa.table({
        "channel": ["search", "mail"], "at": [datetime(2025, 1, 1, tzinfo=UTC)] * 2,
        "reach": [1234567, 89], "trend": [0.1, -0.3], "paid": [True, False],
    })


channel = my.FeatureView("channels", entities=[my.Entity("channel")], source=channels, event_time="at",
                         features=["reach", "trend", "paid"])
visit = my.RequestSource("visit", schema={"pages": "float64", "minutes": "float64"})
pace = my.OnDemandView("pace", sources=[channel, visit], features={
    "per_page": "minutes / pages",
    "weight": "coalesce(log1p(reach) * exp(trend), -1) + per_page ** 2",
    "busy": "pages > 6 and coalesce(paid, True)",
})
listed = my.FeatureService("listed", features=[visit, channel[["reach"]], pace])
'''


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The smallest project, with a view, a service, and a version trained with them."""
    folder = tmp_path_factory.mktemp("listed")
    write_template("minimal", folder)
    (folder / "features.py").write_text(FEATURES)
    change(folder / "modelyard.yaml", "features: [pages, minutes, channel]", "feature_service: listed")
    change(folder / "modelyard.yaml", "project: minimal", "project: minimal\nfeatures: {module: features.py}")
    change(folder / "training.py", "return my.split_by_time(rows,",
           "return my.split_by_time(my.context().services.join(MODEL, rows),")  # fmt: skip
    project = Project(folder, clock=ManualClock(AT), ids=SeededIds(0))
    project.features.materializer.materialize(AT)
    carry_out(definitions.apply_features, project, Nothing())
    assert project.pipelines.run("training", {"as_of": AT}).verdict == "pass"
    project.close()
    return folder


@pytest.fixture
def project(folder: Path) -> Iterator[Project]:
    """That project, opened anew; its definitions are what they were afterwards."""
    written = settings_of(folder)
    project = Project(folder, clock=ManualClock(AT), ids=SeededIds(1))
    yield project
    project.close()
    (folder / "modelyard.yaml").write_text(written)


def changed(project: Project, before: str, after: str) -> Project:
    """The project with other definitions, in a module of their own: a process reads each file of a project once."""
    project.close()
    folder, module = project.file.folder, f"features_{next(MODULES)}.py"
    assert before in FEATURES
    (folder / module).write_text(FEATURES.replace(before, after))
    (folder / "modelyard.yaml").write_text(
        re.sub(r"module: features\w*", f"module: {module[:-3]}", settings_of(folder))
    )
    return Project(folder, clock=project.clock, ids=SeededIds(2))


def settings_of(folder: Path) -> str:
    """The project file."""
    return (folder / "modelyard.yaml").read_text()


def change(file: Path, before: str, after: str) -> None:
    """Replace text that is there."""
    text = file.read_text()
    assert before in text
    file.write_text(text.replace(before, after))


def test_scoring_a_file_joins_what_training_computed(project: Project, tmp_path: Path) -> None:
    """Part by part: to the last bit the features of `training_rows`, and the scores that the bundle gives them."""
    version = project.models.get("purchase", 1)
    visits = project.services.dataset("visits", AT).slice(0, 50)
    pq.write_table(visits, tmp_path / "visits.parquet")
    given = scoring.Score(
        str(tmp_path / "visits.parquet"),
        str(tmp_path / "scored.parquet"),
        "purchase/1",
        entities=True,
        event_time="visited_at",
        keep="per_page,weight,busy,reach",
    )
    told = carry_out(scoring.score, project, given)
    assert (told["rows"], told["rejected"]) == (50, 0)
    found = pq.read_table(tmp_path / "scored.parquet")
    offline = project.features.training_rows(visits, project.features.listed("listed"), event_time="visited_at")
    for name in ("per_page", "weight", "busy", "reach"):
        assert found.column(name).to_pylist() == offline.column(name).to_pylist()
    bundle = load_bundle(project.models.fetch_bundle(version, tmp_path / "bundle"))
    names = bundle.info.signature.names
    rows = [[_plain(row[name]) for name in names] for row in offline.to_pylist()]
    assert found.column("score").to_pylist() == bundle.predict(rows).scores[:, 0].tolist()


def test_features_are_joined_in_other_processes_too(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where parts are tasks: the same answers, and each of them on record once, with the features as they were."""
    visits = project.services.dataset("visits", AT).slice(0, 50)
    pq.write_table(visits, tmp_path / "visits.parquet")

    def score(name: str, engine: str) -> pa.Table:
        given = scoring.Score(
            str(tmp_path / "visits.parquet"),
            str(tmp_path / name),
            "purchase/1",
            entities=True,
            event_time="visited_at",
            engine=engine,
            log=name,
        )
        assert carry_out(scoring.score, project, given)["rows"] == 50
        return pq.read_table(next((tmp_path / name).glob("part-*.parquet")))

    here = score("here", "local")
    with LocalPool(2) as pool:
        monkeypatch.setattr(scoring, "check_engine", lambda engine, _: engine)
        monkeypatch.setattr(Project, "executor", lambda *_: pool)
        there = score("there", "ray")
    differing = ["prediction_id", "predicted_at"]
    assert there.drop_columns(differing) == here.drop_columns(differing)
    answers = there.sort_by("prediction_id")
    found = project.log.predictions("there").sort_by("prediction_id")
    assert found.column("prediction_id").to_pylist() == answers.column("prediction_id").to_pylist()
    assert found.column("event_us").cast(pa.int64()) == answers.column("visited_at").cast(
        pa.timestamp("us", tz="UTC")
    ).cast(pa.int64())


def _plain(value: object) -> Any:
    """A value as a row has it: flags are 1 and 0."""
    return int(value) if isinstance(value, bool) else value


def test_the_server_answers_with_what_training_computed(project: Project, tmp_path: Path) -> None:
    """Of rows as requests, alone and many at once: to the last bit the features and scores of `training_rows`."""
    version = project.models.get("purchase", 1)
    assert version.bundle is not None
    server = Server(tmp_path)
    server.feed.put_bundle(project.models.fetch_bundle(version, tmp_path / "bundle"), version.bundle)
    (tmp_path / "online").symlink_to(project.online_folder)
    server.publish(Arm("live", "live", "1", version.bundle, 1.0))
    visits = project.services.dataset("visits", AT).slice(0, 20)
    names = project.features.listed("listed")
    offline = project.features.training_rows(visits, names, event_time="visited_at")
    names = [each.rpartition(":")[2] for each in names]
    expected = offline.select(names).to_pylist()
    samples = project.services.samples("purchase", offline)
    requests = visits.select(["pages", "minutes", "channel"]).to_pylist()
    server.start()
    try:
        status, told = server.post("/predict", {"inputs": requests})
        assert status == 200, told
        alone = [server.predict(**each)[1] for each in requests[:5]]
        refused = server.predict(pages=2**60 + 1, minutes=1.0, channel="mail")
        lacking = server.predict(minutes=1.0, channel="mail")
    finally:
        assert server.stop() == 0
    assert told["probabilities"] == scores_of(tmp_path / "bundle", samples)
    assert [each["probability"] for each in alone] == told["probabilities"][:5]
    answered = server.log.predictions("fraud")
    values = feature_columns(answered, names)
    logged = [list(each) for each in zip(*values.values(), strict=True)]
    assert logged[:20] == [
        [float(each[name]) if isinstance(each[name], bool) else each[name] for name in names] for each in expected
    ]
    assert refused[0] == 400
    assert "digits" in refused[1]["error"]["message"]
    assert (lacking[0], lacking[1]["error"]["path"]) == (400, "pages")


def scores_of(bundle: Path, samples: Samples) -> list[float]:
    """What the bundle gives for the encoded rows."""
    scores: list[float] = load_bundle(bundle).scores(samples.matrix)[:, 0].tolist()
    return scores


def test_a_version_keeps_the_list_and_the_digest_of_its_service(project: Project) -> None:
    """As `model show` tells; the digest is that of the service as it is, until a view below it changes."""
    kept = carry_out(models.show_model, project, models.OneVersion("purchase", "1"))["features"]
    assert list(kept["names"]) == ["pages", "minutes", "channels:reach", "pace:per_page", "pace:weight", "pace:busy"]
    assert (kept["service"], kept["digest"]) == ("listed", project.features.digest("listed"))
    other = changed(project, "exp(trend), -1", "exp(trend), -2")
    assert other.features.digest("listed") != kept["digest"]
    other.close()


def test_what_is_defined_is_listed_and_shown(project: Project) -> None:
    """Views, on-demand views and services; of each what it is made of, and who uses it."""
    listed = carry_out(definitions.list_features, project, Nothing())
    assert [(each["name"], each["sort"]) for each in listed] == [
        ("channels", "feature view"), ("pace", "on-demand view"), ("listed", "feature service"),
    ]  # fmt: skip
    assert [each["state"] for each in listed] == ["fresh", None, None]
    shown = carry_out(definitions.show_feature, project, definitions.Named("channels"))
    assert shown["features"] == {"reach": "int64", "trend": "double", "paid": "bool"}
    assert (shown["rows"], shown["services"], shown["models"]) == (2, ["listed"], ["purchase 1"])
    computed = carry_out(definitions.show_feature, project, definitions.Named("pace"))
    assert computed["expressions"]["busy"] == "pages > 6 and coalesce(paid, True)"
    assert computed["features"] == {"per_page": "double", "weight": "double", "busy": "bool"}
    assert carry_out(definitions.show_feature, project, definitions.Named("listed"))["models"] == ["purchase 1"]
    with pytest.raises(UnknownFeature, match="Nothing is defined as 'chanels'") as caught:
        carry_out(definitions.show_feature, project, definitions.Named("chanels"))
    assert "channels" in caught.value.remedy


def test_a_view_is_stale_once_nothing_online_can_be_within_its_ttl(project: Project) -> None:
    """Fresh until then; a view without a ttl never is stale."""
    other = changed(project, 'event_time="at"', 'event_time="at", ttl=timedelta(days=900)')
    clock = other.clock
    assert isinstance(clock, ManualClock)
    found = []
    for after in (timedelta(0), timedelta(days=900) - timedelta(seconds=1), timedelta(seconds=1)):
        clock.advance(after)
        found.append(carry_out(definitions.list_features, other, Nothing())[0]["state"])
    other.close()
    assert found == ["fresh", "fresh", "stale"]


@pytest.mark.parametrize(
    ("before", "after", "changes", "why"),
    [
        ("listed = my", "listed = my", [], None),
        ("exp(trend), -1", "exp(trend), -2", ["expressions.weight"], None),
        ('event_time="at"', 'event_time="at", ttl=timedelta(days=900)', ["ttl"], None),
        ('"reach": [1234567, 89]', '"reach": [1234567.0, 89.0]', ["features.reach"],
         "'channels:reach' was int64, and is now double"),
        ('features=["reach", "trend", "paid"]', 'features=["reach", "paid", "trend"]', ["order"],
         "rows with them are not written any more"),
        ('features=["reach", "trend", "paid"]', 'features=["reach", "trend", "paid", "at"]', ["features.at", "order"],
         "rows with them are not written any more"),
        ('event_time="at"', 'event_time="at", available_at="at"', ["available_at"],
         "what says when a row was known is at, and was None"),
        ('"channels", entities', '"outlets", entities', [None, None, "sources"],
         "it reads view 'channels', which is no longer defined"),
    ],
)  # fmt: skip
def test_a_diff_tells_what_changed_and_which_version_it_breaks(
    project: Project, before: str, after: str, changes: list[str | None], why: str | None
) -> None:
    """What a bundle carries itself breaks nothing; what the store no longer gives it does."""
    other = changed(project, before, after)
    told = carry_out(definitions.diff_features, other, Nothing())
    other.close()
    found = [each["attribute"] for each in told["changes"] if each["kind"] == "feature view"]
    assert sorted(found, key=str) == sorted(changes, key=str)
    assert (why is None) == (told["breaks"] == [])
    for each in told["breaks"]:
        assert (each["model"], each["version"]) == ("purchase", 1)
    assert why is None or any(why in each["why"] for each in told["breaks"])


def test_apply_keeps_history_and_is_audited(project: Project) -> None:
    """Who, when and what; applying the same again leaves no trace."""
    count = len(project.applied_features.history())
    assert carry_out(definitions.apply_features, project, Nothing()) == {"changes": [], "breaks": [], "keeps": []}
    assert len(project.applied_features.history()) == count
    other = changed(project, "exp(trend), -1", "exp(trend), -3")
    applied = carry_out(definitions.apply_features, other, Nothing())
    assert {each["attribute"] for each in applied["changes"]} == {"expressions.weight", "digest"}
    newest = other.applied_features.history()[-1]
    assert (newest["by"], newest["changes"]) == (
        other.principal.name, ["changed feature service listed", "changed feature view pace"],
    )  # fmt: skip
    entry = other.audit.entries()[-1].body
    assert (entry["action"], entry["detail"]["digest"]) == ("features.apply", newest["digest"])
    other.close()
    again = changed(other, "listed = my", "listed = my")
    carry_out(definitions.apply_features, again, Nothing())
    again.close()


def test_everything_that_a_service_lists_is_looked_up(project: Project) -> None:
    """What is kept, and what is computed of the fields that stand beside the key."""
    found = carry_out(online.get_features, project, online.Get(("channel=mail,pages=8,minutes=4",), service="listed"))
    trend = math.log1p(89) * math.exp(-0.3)
    assert found["values"] == {
        "reach": [89], "per_page": [0.5], "weight": [pytest.approx(trend + 0.25)], "busy": [False],
    }  # fmt: skip
    assert found["presence"]["busy"] == ["present"]
    found = carry_out(online.get_features, project, online.Get(("pages=8,minutes=0",), features=("pace:per_page",)))
    assert (found["entities"], found["values"]) == ([{"pages": 8.0, "minutes": 0.0}], {"per_page": [0.0]})
    for entity, message in (
        ("channel=mail,pages=8", "lacks the request field 'minutes'"),
        ("channel=mail,pages=many", "'pages' is double, and 'many' is none"),
        ("channel=mail,page=8", "Nothing asked for has the key or field 'page'"),
    ):
        with pytest.raises(InvalidInput, match=message):
            carry_out(online.get_features, project, online.Get((entity,), service="listed"))


def test_a_model_has_one_list_of_inputs(folder: Path, tmp_path: Path) -> None:
    """Neither both nor none, and a service that there is."""
    for given, message in (
        ("feature_service: listed\n    features: [pages]", "either features"),
        ("gate: {min_auc: 0.5}", "either features"),
        ("feature_service: listd", "unknown service 'listd'; did you mean 'listed'?"),
    ):
        (tmp_path / "features.py").write_text(FEATURES)
        text = (folder / "modelyard.yaml").read_text()
        (tmp_path / "modelyard.yaml").write_text(text.replace("feature_service: listed", given))
        for name in ("data.py", "training.py"):
            (tmp_path / name).write_text((folder / name).read_text())
        with pytest.raises(InvalidInput, match=r"modelyard\.yaml") as caught:
            Project(tmp_path)
        assert message in str(caught.value)


def test_history_computes_a_service_in_its_order(project: Project) -> None:
    """By name, with on-demand features in their place, and nothing that only they needed."""
    rows = pa.table({"channel": ["mail", "none"], "pages": [2.0, 8.0], "minutes": [3.0, None],
                     "event_timestamp": [AT, AT - timedelta(days=1)]})  # fmt: skip
    found = project.features.get_historical_features(rows, "listed").to_arrow()
    assert found.column_names == [*rows.column_names, "reach", "per_page", "weight", "busy"]
    assert found.column("busy").to_pylist() == [False, True]
    assert found.column("per_page").to_pylist() == [1.5, None]
    assert json.dumps(found.column("reach").to_pylist()) == "[89, null]"

"""The tables of docs/reference/contracts.md agree with the code: what is `today` exists, what is `planned` does not."""

import ast
import asyncio
import json
import re
from collections.abc import Callable, Iterator, MutableMapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from inspect import isfunction, signature
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Unpack, get_args, get_origin, get_type_hints

import pytest
import yaml
from prometheus_client import Metric
from pydantic import create_model

import modelyard as my
from modelyard.bundling import BuiltBundle
from modelyard.cli import edge
from modelyard.core import Digest, ManualClock, Micros, ModelyardError, SystemIds
from modelyard.journal import Generated, Guarded, Journal, PredictionRecord
from modelyard.monitoring import (
    AlertBook,
    AlertGauges,
    AlertSettings,
    ConceptDrift,
    Estimated,
    FeatureDrift,
    FeatureOutliers,
    GeneratedArm,
    GeneratedSeen,
    GroupRate,
    Joint,
    MonitorSettings,
    Outbox,
    Rate,
    Window,
    measured,
)
from modelyard.online import LocalOnlineStore
from modelyard.pipelines import RULES
from modelyard.registry import STAGES, alias_of
from modelyard.routing import Arm, Feed, FeedFolder, Route
from modelyard.serving import DataPlane, HttpServer, Metrics
from modelyard.serving.arms import Outcome
from modelyard.serving.deployments import Deployments
from modelyard.serving.protocols import ROUTES
from modelyard.storage import open_record_store

from .commands import missing
from .modules import every_module, given_codes, trees
from .settings import settings

REPOSITORY = Path(__file__).parents[2]
PAGE = REPOSITORY / "docs" / "reference" / "contracts.md"
ROW = '120.0, "de", 3.0'
"""A row of the shared bundle: amount, country, visits."""

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
Cells = dict[str, str]


def tables() -> dict[str, list[Cells]]:
    """The tables of the page by heading; each row a mapping from column to cell."""
    found: dict[str, list[Cells]] = {}
    for part in re.split(r"^## ", PAGE.read_text(), flags=re.MULTILINE)[1:]:
        lines = [line for line in part.splitlines() if line.startswith("|")]
        columns = _cells(lines[0])
        found[part.splitlines()[0]] = [dict(zip(columns, _cells(line), strict=True)) for line in lines[2:]]
    return found


def _cells(line: str) -> list[str]:
    return [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


TABLES = tables()


def code(cell: str) -> str:
    """What stands between backticks; the cell itself without any."""
    return cell[1:-1] if cell.startswith("`") and cell.endswith("`") and cell.count("`") == 2 else cell


def agrees(row: Cells, exists: bool) -> None:
    """A row marked `today` must exist, one marked `planned` must not."""
    assert row["status"] in ("today", "planned")
    landed = f"{row} exists: mark it `today`"
    assert exists is (row["status"] == "today"), landed if exists else f"{row} does not exist"


def rows(heading: str) -> pytest.MarkDecorator:
    """Run a test once for each row of a table."""
    return pytest.mark.parametrize("row", TABLES[heading], ids=lambda row: " ".join(list(row.values())[:2])[:80])


def test_every_table_is_checked() -> None:
    """A table that no test reads would promise anything."""
    assert set(TABLES) == {
        "Commands", "Exit codes", "Python", "HTTP", "Protocols", "Metrics", "Defaults", "Whole parts to come",
        "Troubleshooting",
    }  # fmt: skip


@rows("Commands")
def test_a_command_that_takes_the_place_of_a_script_parses(row: Cells) -> None:
    """`--help` of its noun and verb ends with 0 and lists the flags."""
    agrees(row, missing(code(row["Modelyard"])) == [])


def test_stage_names_are_read_whatever_their_case() -> None:
    """Staging and Production are aliases; Archived and None mean none."""
    assert [alias_of(each) for each in ("Staging", "PRODUCTION", "archived", "None")] == [
        "staging",
        "production",
        None,
        None,
    ]
    assert set(STAGES) == {"staging", "production", "archived", "none"}


@rows("Exit codes")
def test_an_exit_code_is_the_one_of_the_code(row: Cells) -> None:
    """The constant of the command line has this value, and something ends with it."""
    name = code(row["name"])
    assert getattr(edge, name) == int(row["code"]) if name else int(row["code"]) == 0
    agrees(row, not name or name in names_used_in_cli())


def names_used_in_cli() -> set[str]:
    """Every name that the command line reads, not only sets."""
    nodes = [node for file, tree in trees().items() if file.startswith("cli/") for node in ast.walk(tree)]
    return {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}


def test_no_exit_code_is_missing_from_the_table() -> None:
    """Every constant has its row."""
    assert {name for name in vars(edge) if name.startswith("EXIT_")} == {
        code(row["name"]) for row in TABLES["Exit codes"]
    } - {""}


@rows("Python")
def test_a_python_name_can_be_used_as_written(row: Cells) -> None:
    """It is found from the root, and takes the parameters named."""
    agrees(row, found_in_python(code(row["name"])))


def found_in_python(written: str) -> bool:
    """Whether `my.a.b(x, y)` leads to something with parameters `x` and `y`."""
    path, _, given = written.rstrip(")").partition("(")
    parameters = [each.strip() for each in given.split(",") if each.strip()]
    current: Any = my
    for name in path.split(".")[1:]:
        current = member(current, name)
        if current is None:
            return False
    return not parameters or set(parameters) <= taken_by(getattr(current, "function", None) or current)


def taken_by(function: Any) -> set[str]:
    """The names of what a function takes, also of those that it hands on as `**which: Unpack[...]`."""
    hints = get_type_hints(function) if isfunction(function) else {}
    handed = [each for hint in hints.values() if get_origin(hint) is Unpack for each in get_args(hint)]
    return set(signature(function).parameters).union(*(each.__annotations__ for each in handed))


def member(owner: Any, name: str) -> Any:
    """A member by name; a property or a function stands for what it returns."""
    made_by = getattr(owner, "func", None) or getattr(owner, "fget", None) or owner
    if callable(made_by) and not isinstance(made_by, type):
        owner = get_type_hints(made_by).get("return")
    return getattr(owner, name, None)


@dataclass
class Service:
    """The HTTP server in this process, on a small deployment."""

    app: HttpServer

    def ask(self, method: str, path: str, body: str = "") -> tuple[int, dict[str, Any]]:
        """One request; its status and JSON answer."""
        sent: list[MutableMapping[str, Any]] = []

        async def receive() -> MutableMapping[str, Any]:
            return {"type": "http.request", "body": body.encode()}

        async def send(message: MutableMapping[str, Any]) -> None:
            sent.append(message)

        scope = {"type": "http", "method": method, "path": path, "headers": [], "query_string": b""}
        asyncio.run(self.app(scope, receive, send))
        answer: dict[str, Any] = json.loads(sent[1]["body"])
        return int(sent[0]["status"]), answer


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, built: BuiltBundle) -> Iterator[Service]:
    """One live arm of the shared bundle, served as `shop`."""
    folder, clock = tmp_path_factory.mktemp("service"), ManualClock(NOON)
    feed, online = FeedFolder(folder / "feed"), LocalOnlineStore(folder / "online")
    feed.put_bundle(built.path, built.digest)
    feed.publish(
        Feed(1, (Route("shop", "fraud", 1, (Arm("live", "live", "1", built.digest, 1.0),), "salt"),), (), False)
    )
    deployments = Deployments(feed, online)
    deployments.load()
    journal = Journal(folder / "journal", "server-1", clock)
    plane = DataPlane(deployments, journal, Metrics(), clock, SystemIds(), "server-1")
    yield Service(HttpServer(plane, clock, pepper=None))
    journal.close()
    online.close()


@rows("HTTP")
def test_an_http_request_is_answered_in_its_shape(row: Cells, service: Service) -> None:
    """The path exists, takes the body, and answers with these keys and no others."""
    method, path = code(row["request"]).split()
    body = code(row["body"]).replace("1.0, …", ROW).replace('"name": ' + ROW, '"amount": 120.0')
    status, answer = service.ask(method, path, body)
    agrees(row, answer.get("error", {}).get("code") != "NOT_SERVED")
    if row["status"] == "today":
        keys = re.findall(r"`([^`]+)`(\??)", row["answer"])
        assert keys_of(answer) <= {key for key, _ in keys}
        assert {key for key, maybe in keys if not maybe} <= keys_of(answer), status


def keys_of(answer: dict[str, Any]) -> set[str]:
    """The keys of an answer; those of an error with their path."""
    return {f"error.{key}" for key in answer["error"]} if "error" in answer else set(answer)


def test_every_path_stands_under_its_deployment_too(service: Service) -> None:
    """`/deployments/NAME/...` is the same as the bare path where one deployment is served."""
    body = '{"features": [' + ROW + "]}"
    assert service.ask("POST", "/deployments/shop/predict", body)[0] == 200
    assert service.ask("POST", "/deployments/shed/predict", body)[0] == 404


def test_no_path_of_the_server_is_missing_from_the_table(service: Service) -> None:
    """The remedy for an unknown path lists those that exist."""
    _, answer = service.ask("GET", "/nowhere")
    known = set(re.findall(r"(?:GET|POST) /[\w/]*", answer["error"]["remedy"]))
    assert known == {code(row["request"]) for row in TABLES["HTTP"] if row["status"] == "today"}


def test_the_protocols_paths_are_those_of_the_table() -> None:
    """TensorFlow Serving's versions and labels are told in words, as are the two verbs that are refused."""
    told = {tuple(code(row["path"]).split()) for row in TABLES["Protocols"]}
    served = {(route.method, route.template) for route in ROUTES}
    below = re.compile(r"/v1/models/\{model\}/(versions|labels)/|:(classify|regress)$|^/health$|^/deployments/")
    assert told == {(method, path) for method, path in served if not below.search(path)}


def exported() -> dict[str, Metric]:
    """The metric families of a server, by name, after every kind of event."""
    arms = (Arm("live", "live", "1", Digest("a" * 64), 1.0),)
    metrics = Metrics(lambda: [Route("d", "fraud", 1, arms, "salt")])
    metrics.count("fraud", arms[0], [Outcome((), (0.7,), "1", 10), Outcome((), (), None, 10, "input")])
    metrics.requests("fraud", "200")
    metrics.cached("fraud", 2)
    metrics.in_progress(1)
    metrics.took("fraud", [0.001])
    metrics.failed("fraud", "1")
    metrics.shadow_dropped("fraud", "queue")
    metrics.overridden("fraud", "canary")
    metrics.shadows_waiting(2)
    metrics.records("refused", 1)
    metrics.refused("fraud")
    metrics.unknown("fraud", "country", 1)
    metrics.waiting(3)
    metrics.fresh("stats", 5.0)
    answer = PredictionRecord("p", Micros(0), "d", 1, "1", "live", "live", True, None, (), "stop", (), 10)
    said = Guarded("fail", {"email:redact": 1})
    made = Generated(
        "openai", "small", input_tokens=9, output_tokens=3, cost_micros=1, first_us=10, guarded_input=said, cache="miss"
    )
    metrics.generated("fraud", answer, made)
    metrics.asked_upstream("openai", "answered")
    return {family.name: family for family in (*metrics.registry.collect(), *of_monitoring())}


@lru_cache(maxsize=1)
def of_monitoring() -> tuple[Metric, ...]:
    """The families of the control process, after a window that tells all that windows tell and breaks a rule."""
    compared = FeatureDrift("x", "number", 0.0, 0.9, 0.02, 0.0, 0.0, "fail", "")
    rate = Rate(90, 900, 0.1, 0.08, 0.12)
    chats = GeneratedArm("live", "1", 900, 900, rate, rate, rate, rate, rate, rate, 9, 0, 9, 900, 0)
    window = Window(
        "d", "1", NOON.isoformat(), NOON.isoformat(), 900, 0, 20.0, 900, 1.0, (compared,), 0.9, {"accuracy": 0.9},
        {"accuracy": 0.9}, "fail", (), estimated={"accuracy": Estimated(0.9, 0.8, 1.0, "CBPE")}, predictions=compared,
        together=Joint(verdict="pass", reason="", rows_ref=100, rows_cur=100, auc=0.5),
        concept=(ConceptDrift("adwin", "pass", "", 100),),
        outliers=(FeatureOutliers("x", 0.0, 1.0, 9, 0.1, 0.1, (), "pass", ""),),
        groups=(GroupRate("sex", "f", "selection", 9, 0.5, 0.5, 0.0, -0.1, 0.1, "pass"),),
        generated=GeneratedSeen(chats, (chats,), 900),
    )  # fmt: skip
    with TemporaryDirectory() as folder:
        records = open_record_store(f"sqlite:///{folder}/records.db")
        records.migrate()
        book = AlertBook(records, ManualClock(NOON), AlertSettings(), {"d": "fraud"})
        book.tell("windows", "d", measured(window, MonitorSettings()), at=NOON, every=timedelta(days=7))
        book.tell("rollout", "d", {"rollout_held": 0.0}, at=NOON, every=timedelta(minutes=1))
        gauges = AlertGauges(book, Outbox(records, ManualClock(NOON), AlertSettings()), ["d"])
        found = tuple(gauges.collect())
        records.close()
    return found


@rows("Metrics")
def test_a_metric_is_exported_with_its_type_labels_and_buckets(row: Cells) -> None:
    """As Prometheus sees it."""
    family = exported().get(code(row["name"]).removesuffix("_total"))
    agrees(row, family is not None)
    if family is not None:
        assert family.type == row["type"]
        labels = {label for sample in family.samples for label in sample.labels} - {"le"}
        assert labels == set(re.findall(r"`(\w+)`", row["labels"]))
        buckets = [float(sample.labels["le"]) for sample in family.samples if "le" in sample.labels]
        if row["buckets"] != "from the reference profile":
            assert buckets == ([*map(float, row["buckets"].split()), float("inf")] if row["buckets"] else [])


def test_no_metric_of_the_server_is_missing_from_the_table() -> None:
    """Every family has its row."""
    assert set(exported()) <= {code(row["name"]).removesuffix("_total") for row in TABLES["Metrics"]}


@rows("Defaults")
def test_a_default_is_the_one_of_the_setting(row: Cells) -> None:
    """Read as the project file would read it, it equals the default of the settings model."""
    field = settings().get(code(row["setting"]))
    agrees(row, field is not None)
    if field is not None:
        kind: Any = field.annotation
        reading = create_model("Reading", value=(kind, field))
        written = yaml.safe_load(code(row["default"]))
        assert reading(value=written).value == field.get_default()  # type: ignore[attr-defined]  # made just above


@pytest.mark.parametrize(
    "row",
    [row for row in TABLES["Defaults"] if row["rule"].startswith("alert ") and row["status"] == "today"],
    ids=lambda row: row["setting"],
)
def test_an_alert_fires_beyond_its_threshold_with_its_severity(row: Cells) -> None:
    """Not at the threshold, but right above it."""
    name = re.findall(r"`(\w+)`", row["rule"])[0]
    threshold = float(code(row["default"]))
    assert my.evaluate_alerts({name: threshold}, "fraud") == []
    (alert,) = my.evaluate_alerts({name: threshold * 1.01}, "fraud")
    assert (alert.name, alert.threshold) == (name, threshold)
    assert f"{alert.severity.value}:" in row["rule"]


@rows("Whole parts to come")
def test_a_part_to_come_has_not_come(row: Cells) -> None:
    """When it has, its lines belong into the tables above."""
    agrees(row, missing(code(row["begins with"])) == [])


@rows("Troubleshooting")
def test_what_one_sees_is_answered(row: Cells) -> None:
    """By an error with this code, or by this command."""
    answer = code(row["what answers"])
    agrees(row, missing(answer) == [] if answer.startswith("modelyard ") else answer in codes())


def codes() -> set[str]:
    """Every code of an error, or of what a rule of pipelines finds."""
    classes = [each for module in every_module() for each in vars(module).values() if isinstance(each, type)]
    return (
        {each.code for each in classes if issubclass(each, ModelyardError)}
        | given_codes()
        | {each.code for each in RULES}
    )


@pytest.mark.parametrize(
    ("check", "there", "not_there"),
    [
        (found_in_python, "my.Project.log", "my.Project.logs"),
        (found_in_python, "my.load_bundle.predict(rows)", "my.load_bundle.predict(columns)"),
        (lambda written: missing(written) == [], "modelyard model list --stage x", "modelyard model list --stages x"),
        (lambda written: missing(written) == [], "modelyard status", "modelyard model status"),
        (lambda written: written in codes(), "GATE_FAILED", "GATE_FELL"),
    ],
)
def test_the_checks_tell_what_exists_from_what_does_not(
    check: Callable[[str], bool], there: str, not_there: str
) -> None:
    """A check that finds everything would let every mark stand."""
    assert check(there)
    assert not check(not_there)


def test_a_wrong_mark_is_reported() -> None:
    """In both directions."""
    with pytest.raises(AssertionError, match="mark it `today`"):
        agrees({"status": "planned"}, exists=True)
    with pytest.raises(AssertionError, match="does not exist"):
        agrees({"status": "today"}, exists=False)

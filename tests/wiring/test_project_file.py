"""The project file is judged whole, and every setting says where it came from."""

import subprocess
import sys
from pathlib import Path

import pytest

from modelyard.core import InvalidInput, NotFound
from modelyard.operations import write_template
from modelyard.wiring import load_project_file


@pytest.fixture
def flights(tmp_path: Path) -> Path:
    """The flights project, fresh."""
    write_template("flights", tmp_path / "flights")
    return tmp_path / "flights"


def test_everything_wrong_is_reported_together(flights: Path) -> None:
    """An unknown key, a wrong type and a misspelt feature: line and nearest name, exit code 2, no traceback."""
    file = flights / "modelyard.yaml"
    text = file.read_text().replace("weather:temp", "weather:tmep").replace("min_requests: 500", "min_requests: many")
    file.write_text(text.replace("strategy: canary", "stratgy: canary"))
    result = subprocess.run(
        [sys.executable, "-m", "modelyard", "config", "show", "--project", str(flights)],
        capture_output=True,
        text=True,
        check=False,
    )
    lines = file.read_text().splitlines()

    def line(fragment: str) -> int:
        return next(number for number, each in enumerate(lines, start=1) if fragment in each)

    assert result.returncode == 2
    assert "3 things are wrong" in result.stderr
    assert (
        f":{line('stratgy')}: deployments.flights.stratgy: unknown key 'stratgy'; did you mean 'strategy'?"
        in result.stderr
    )
    assert f":{line('many')}: deployments.flights.min_requests: " in result.stderr
    assert f":{line('tmep')}: " in result.stderr
    assert "unknown feature 'weather:tmep'; did you mean 'weather:temp'?" in result.stderr
    assert "Traceback" not in result.stderr


def test_names_that_point_at_nothing_are_found(flights: Path) -> None:
    """A deployment of no model, a policy for no pipeline."""
    file = flights / "modelyard.yaml"
    text = file.read_text().replace("model: flight-delay@production", "model: flight-dealy@production")
    file.write_text(text.replace("pipeline: training", "pipeline: trainig"))
    with pytest.raises(InvalidInput) as caught:
        load_project_file(flights, {})
    assert "models has no 'flight-dealy'; did you mean 'flight-delay'?" in caught.value.message
    assert "pipelines has no 'trainig'; did you mean 'training'?" in caught.value.message


def test_with_upstreams_a_deployment_may_serve_an_application(flights: Path) -> None:
    """Which is registered and declared nowhere; a model that is misspelt is told as ever."""
    file = flights / "modelyard.yaml"
    text = file.read_text() + "\nupstreams:\n  here: {url: http://127.0.0.1:9}\n"
    file.write_text(text.replace("model: flight-delay@production", "model: desk@production"))
    assert "desk" in {each.model_name for each in load_project_file(flights, {}).settings.deployments.values()}
    file.write_text(text.replace("model: flight-delay@production", "model: flight-dealy@production"))
    with pytest.raises(InvalidInput, match="did you mean 'flight-delay'"):
        load_project_file(flights, {})


def with_policy(folder: Path, when: str, alerts: str = "{}") -> Path:
    """The minimal project with a retraining policy."""
    write_template("minimal", folder)
    file = folder / "modelyard.yaml"
    policy = f"  purchase: {{pipeline: training, deployment: shop, when: {when}}}\n"
    file.write_text(f"{file.read_text()}alerts: {alerts}\nretraining:\n{policy}")
    return file


def test_an_alert_that_no_rule_raises_triggers_nothing_and_is_found(tmp_path: Path) -> None:
    """With its line and the nearest rule, however deep `any` and `all` hide it; the command ends with 2."""
    file = with_policy(tmp_path, "{any: [{every: 30d}, {all: [{alert: eror_rate}, {drift_above: 0.2}]}]}")
    command = [sys.executable, "-m", "modelyard", "config", "show", "--project", str(tmp_path)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    line = len(file.read_text().splitlines())
    assert result.returncode == 2
    assert f"{file}:{line}: retraining.purchase.when.any.1.all.0.alert: " in result.stderr
    assert "alerts have no rule 'eror_rate'; did you mean 'error_rate'?" in result.stderr


@pytest.mark.parametrize(
    ("alert", "alerts", "said"),
    [
        ("drift_score", "{}", None),
        ("recall", "{}", "no rule 'recall'; there are: latency_p99"),
        ("recall", "{also: [recall]}", None),
        ("slow", '{rules: {slow: {when: "latency_p99 > 9"}}}', None),
        ("slow", '{rules: {slow: {when: "latency_p99 > 9", deployments: [shop]}}}', None),
        ("slow", '{rules: {slow: {when: "latency_p99 > 9", deployments: [other]}}}', "is for other only"),
        ("slow", '{rules: {slow: {when: "nonsense"}}}', "alerts.rules.slow"),
    ],
)
def test_a_policy_may_wait_for_every_rule_in_force(alert: str, alerts: str, said: str | None, tmp_path: Path) -> None:
    """Default ones, those that `also` switches on and declared ones, if they are for its deployment."""
    with_policy(tmp_path, f"{{alert: {alert}}}", alerts)
    if said is None:
        assert load_project_file(tmp_path, {}).settings.retraining["purchase"].trigger is not None
        return
    with pytest.raises(InvalidInput) as caught:
        load_project_file(tmp_path, {})
    assert said in caught.value.message


APPLICATION = """
project: desk
upstreams: {{here: {{url: "http://127.0.0.1:9/v1"}}}}
deployments:
  desk: {{model: desk@production}}
  other: {{model: other@production}}
models: {{trained: {{features: [a], label: b, request: {{a: number}}}}}}
datasets: {{rows: {{source: rows.csv, label: b}}}}
retraining:
  {name}: {{deployment: {deployment}, reindex: {{documents: [handbook], suite: {suite}, least: {{f1: 0.5}}}}}}
"""


@pytest.mark.parametrize(
    ("name", "deployment", "suite", "said"),
    [
        ("desk", "desk", "suite.yaml", None),
        ("desk", "other", "suite.yaml", "'other' serves 'other', and not 'desk'"),
        ("desk", "dask", "suite.yaml", "deployments has no 'dask'; did you mean 'desk'?"),
        ("desk", "desk", "suites.yaml", "there is no file 'suites.yaml'"),
        ("trained", "desk", "suite.yaml", "'trained' is a model that a pipeline trains"),
    ],
)
def test_a_policy_of_an_application_needs_no_model(
    name: str, deployment: str, suite: str, said: str | None, tmp_path: Path
) -> None:
    """Its deployment serves it, and its suite is there: else that is found with the file, and not in the night."""
    (tmp_path / "suite.yaml").write_text("")
    (tmp_path / "modelyard.yaml").write_text(APPLICATION.format(name=name, deployment=deployment, suite=suite))
    if said is None:
        assert load_project_file(tmp_path, {}).settings.retraining["desk"].reindex is not None
        return
    with pytest.raises(InvalidInput) as caught:
        load_project_file(tmp_path, {})
    assert said in caught.value.message


def test_the_shipped_pipeline_keeps_its_name(tmp_path: Path) -> None:
    """Else a policy of an application would run somebody's own."""
    (tmp_path / "modelyard.yaml").write_text("project: p\npipelines: {modelyard.reindex: {module: p.py}}\n")
    with pytest.raises(InvalidInput, match="is the name of the pipeline that is shipped"):
        load_project_file(tmp_path, {})


def test_every_setting_says_where_it_came_from(flights: Path) -> None:
    """Environment over file over default; secrets are never shown."""
    environment = {"MODELYARD_SERVER_PORT": "9090", "MODELYARD_STORES_RECORDS": "postgresql+psycopg://u:secret@h/d"}
    loaded = load_project_file(flights, environment)
    origins = {origin.path: origin for origin in loaded.origins}
    assert loaded.settings.server.port == 9090
    assert origins["server.port"].source == "environment MODELYARD_SERVER_PORT"
    assert origins["server.host"].source == "default"
    assert origins["project"].source == "modelyard.yaml:2"
    assert origins["stores.records"].value == "********"
    assert "u:secret" not in repr(loaded.origins)


def test_a_folder_without_a_project_says_how_to_start_one(tmp_path: Path) -> None:
    """Not found, with the command that helps."""
    with pytest.raises(NotFound, match="modelyard init"):
        load_project_file(tmp_path)


def test_a_range_stands_for_many_columns(tmp_path: Path) -> None:
    """In the request and among the features, in order; what stands for none, or for millions, is refused."""
    model = '{label: y, request: {"v[2:5]": number, x: category}, features: [x, "v[2:5]"]}'
    text = f"project: wide\nmodels: {{wide: {model}}}\n"
    (tmp_path / "modelyard.yaml").write_text(text)
    read = load_project_file(tmp_path, {}).settings.models["wide"]
    assert (list(read.request), read.features) == (["v2", "v3", "v4", "x"], ("x", "v2", "v3", "v4"))
    for wrong in ("v[5:5]", "v[9:2]", "v[0:99999]"):
        (tmp_path / "modelyard.yaml").write_text(text.replace("v[2:5]", wrong))
        with pytest.raises(InvalidInput, match="stands for no columns, or for more than 10,000"):
            load_project_file(tmp_path, {})


@pytest.mark.parametrize("template", ["minimal", "flights", "injections"])
def test_templates_are_right_as_written(template: str, tmp_path: Path) -> None:
    """What `init` writes is a project without findings, and is never written over."""
    write_template(template, tmp_path)
    assert load_project_file(tmp_path, {}).settings.project == template
    with pytest.raises(Exception, match="exists already"):
        write_template(template, tmp_path)


def test_a_password_in_an_address_is_not_repeated(tmp_path: Path) -> None:
    """When the rest of the address is wrong."""
    (tmp_path / "modelyard.yaml").write_text('project: a\nstores: {log: "kafka://joe:s3cret@h:1/x?grup=a"}\n')
    with pytest.raises(InvalidInput) as told:
        load_project_file(tmp_path, {})
    assert "Did you mean 'group'" in str(told.value)
    assert "s3cret" not in str(told.value)

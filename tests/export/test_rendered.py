"""What is committed is what is rendered; the same project gives the same bytes; `--check` notices every change."""

import json
from pathlib import Path

import pytest
import yaml
from tests.export.subjects import EXAMPLES, changed, flights

from modelyard.cli.edge import run
from modelyard.cli.root import root
from modelyard.export import TARGETS, Subject, UnsupportedSetting, difference, write
from modelyard.export.sagemaker.render import Endpoint, render_endpoint

RENDERED = EXAMPLES / "flights" / "rendered"
REFUSED = {"sagemaker", "spark"}
"""Targets that the flights cannot go to: the error names the setting."""


@pytest.fixture(scope="module")
def subject() -> Subject:
    """The flights."""
    return flights()


@pytest.mark.parametrize("target", sorted(set(TARGETS) - REFUSED))
def test_what_is_committed_of_the_flights_is_what_is_rendered(subject: Subject, target: str) -> None:
    """After a deliberate change: `modelyard export TARGET`, with `-o` the folder of the target."""
    found = difference(TARGETS[target].render(subject), RENDERED / target)
    assert found.none, str(found)


def test_every_folder_of_rendered_files_is_of_a_target() -> None:
    """A target that is renamed or goes leaves nothing behind."""
    assert {each.name for each in RENDERED.iterdir() if each.is_dir()} == set(TARGETS) - REFUSED


@pytest.mark.parametrize("target", sorted(set(TARGETS) - REFUSED))
def test_every_file_says_where_it_comes_from(subject: Subject, target: str) -> None:
    """Whoever finds one knows how it is made; templates of Helm and formats without comments aside."""
    silent = [
        name
        for name, text in TARGETS[target].render(subject).items()
        if "chart/templates" not in name and not name.endswith((".json", "dockerignore", ".env.example", "values.yaml"))
        if "modelyard export" not in text
    ]
    assert silent == []


def test_a_file_that_was_changed_added_or_lost_is_noticed(subject: Subject, tmp_path: Path) -> None:
    """And mended by rendering again; files of others stay."""
    files = TARGETS["prometheus"].render(subject)
    write(files, tmp_path)
    (tmp_path / "own.txt").write_text("mine")
    assert difference(files, tmp_path).none
    (tmp_path / "rules.yml").write_text("groups: []")
    (tmp_path / "prometheus.yml").unlink()
    fewer = {name: text for name, text in files.items() if name != "alertmanager.yml"}
    found = difference(fewer, tmp_path)
    assert (found.missing, found.changed, found.stale) == (("prometheus.yml",), ("rules.yml",), ("alertmanager.yml",))
    write(fewer, tmp_path)
    assert difference(fewer, tmp_path).none
    assert not (tmp_path / "alertmanager.yml").exists()
    assert (tmp_path / "own.txt").read_text() == "mine"


def test_check_ends_with_1_when_files_differ(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command line: written, checked, changed, checked."""
    changed(tmp_path, {})
    words = ["modelyard", "export", "runbook", "--project", str(tmp_path), "-o", str(tmp_path / "out")]

    def ended(*more: str) -> int:
        monkeypatch.setattr("sys.argv", [*words, *more])
        return run(root)

    assert ended() == 0
    assert ended("--check") == 0
    (tmp_path / "out" / "RUNBOOK.md").write_text("nothing")
    capsys.readouterr()
    assert ended("--check") == 1
    assert "changed: RUNBOOK.md" in capsys.readouterr().err


def test_a_list_of_files_that_leads_out_of_the_folder_removes_nothing(tmp_path: Path) -> None:
    """What stands in it is not trusted."""
    outside = tmp_path / "outside.txt"
    outside.write_text("stays")
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / ".modelyard-export").write_text(f"../outside.txt\n{outside}\n")
    write({}, folder)
    assert outside.exists()


def following(**strategies: str) -> dict[str, object]:
    """A section of deployments that follow the same alias, by their strategies."""
    return {
        name.replace("_dot_", ".").replace("_dash_", "-"): {"model": "purchase@production", "strategy": strategy}
        for name, strategy in strategies.items()
    }


TWINS = following(a_dot_b="canary", a_dash_b="canary")
STRATEGY = "deployments.shop.strategy"


@pytest.mark.parametrize(
    ("target", "sections", "setting"),
    [
        ("flagger", {"deployments": following(shop="shadow")}, STRATEGY),
        ("argo-rollouts", {"deployments": following(shop="ab")}, STRATEGY),
        ("kserve", {"deployments": following(shop="blue-green")}, STRATEGY),
        ("kubernetes", {"deployments": {}, "monitoring": {}}, "deployments"),
        ("kubernetes", {"deployments": TWINS, "monitoring": {}}, "deployments"),
        ("sagemaker", {"deployments": following(a="canary", b="canary"), "monitoring": {}}, "deployments"),
        ("airflow", {"export": {"pipeline": "tuning"}}, "export.pipeline"),
    ],
)
def test_what_a_target_cannot_carry_is_an_error_that_names_the_setting(
    tmp_path: Path, target: str, sections: dict[str, object], setting: str
) -> None:
    """Rather than left out in silence."""
    subject = changed(tmp_path, sections)
    with pytest.raises(UnsupportedSetting) as raised:
        TARGETS[target].render(subject)
    assert raised.value.context.get("setting") == setting
    assert raised.value.remedy


def test_steps_that_only_our_engine_can_run_are_refused(tmp_path: Path) -> None:
    """One call for each element of a list that is known only while the pipeline runs."""
    subject = changed(tmp_path, {})
    (tmp_path / "training.py").write_text(
        "import modelyard as my\n\n\n@my.step\ndef numbers() -> list[int]:\n    return [1]\n\n\n"
        "@my.step\ndef square(value: int) -> int:\n    return value\n\n\n"
        "@my.pipeline\ndef training() -> None:\n    square(my.each(numbers()))\n"
    )
    for target in ("kubeflow", "airflow"):
        with pytest.raises(UnsupportedSetting, match=r"my.each of step 'square'"):
            TARGETS[target].render(subject)


def test_sagemaker_gets_three_requests_for_a_model_without_views(tmp_path: Path) -> None:
    """And the flights, whose features come from views, are refused by name."""
    files = TARGETS["sagemaker"].render(changed(tmp_path, {}))
    told = {name: json.loads(text) for name, text in files.items()}
    assert (
        told["create-endpoint.json"]["EndpointConfigName"] == told["create-endpoint-config.json"]["EndpointConfigName"]
    )
    (variant,) = told["create-endpoint-config.json"]["ProductionVariants"]
    assert variant["ModelName"] == told["create-model.json"]["ModelName"]
    assert told["create-model.json"]["PrimaryContainer"]["Environment"]["BEHIND_GATEWAY"] == "true"
    with pytest.raises(UnsupportedSetting, match=r"features\.module"):
        TARGETS["sagemaker"].render(flights())


@pytest.mark.parametrize("endpoint", [Endpoint("under_score"), Endpoint("a" * 64), Endpoint(None, "m5.large")])
def test_what_sagemaker_would_refuse_is_refused_here(tmp_path: Path, endpoint: Endpoint) -> None:
    """Names with other signs or too long, machines that are none of its own."""
    with pytest.raises(UnsupportedSetting, match=r"SageMaker cannot carry --(endpoint-name|instance-type)"):
        render_endpoint(changed(tmp_path, {}), endpoint)
    assert render_endpoint(changed(tmp_path, {}), Endpoint("mine", "ml.g5.xlarge"))


def test_no_secret_is_rendered(tmp_path: Path) -> None:
    """Addresses with passwords, keys, webhooks: none of them stands in any file."""
    webhook = "https://hooks.example.com/very-secret-path"
    subject = changed(
        tmp_path,
        {
            "deployments": {"shop": {"model": "purchase@production", "strategy": "canary"}},
            "stores": {
                "records": "postgresql+psycopg://me:hunter2@db/records",
                "log": "nats://user:hunter2@queue:4222",
            },
            "alerts": {
                "notify": {"pager": {"webhook": webhook, "secret": "hunter2-hunter2-hunter2", "severity": "critical"}}
            },
        },
    )
    for target in TARGETS.values():
        for name, text in target.render(subject).items():
            assert "hunter2" not in text, name
            assert "very-secret-path" not in text, name


def test_alertmanager_routes_by_severity(tmp_path: Path) -> None:
    """A receiver of critical alerts alone is not told of warnings."""
    notify = {
        "pager": {"webhook": "${URL}", "secret": "${SECRET}", "severity": "critical"},
        "chat": {"apprise": "slack://x"},
    }
    files = TARGETS["prometheus"].render(changed(tmp_path, {"alerts": {"notify": notify}}))
    config = yaml.safe_load(files["alertmanager.yml"])
    routes = {each["receiver"]: each for each in config["route"]["routes"]}
    assert routes["pager"]["matchers"] == ['severity=~"critical"']
    assert "matchers" not in routes["chat"]
    assert {each["name"] for each in config["receivers"]} == {"nobody", "pager", "chat"}


def test_every_schedule_calls_the_same_single_steps(subject: Subject) -> None:
    """Cron, Airflow (processes and pods) and CronJobs: as often, the same words; features where there are views."""
    loop = "modelyard retrain tick"
    crontab = TARGETS["cron"].render(subject)["crontab"]
    due = [line for line in crontab.splitlines() if line[:1] in "*0123456789" and line]
    assert [line.split(" --project")[0] for line in due] == [
        f"*/15 * * * * {loop}",
        "7,22,37,52 * * * * modelyard features materialize --incremental",
    ]
    dags = TARGETS["airflow"].render(subject)
    told = {name: text for name, text in dags.items() if name.endswith("flights_loop.py")}
    assert set(told) == {"local/flights_loop.py", "kubernetes/flights_loop.py"}
    for text in told.values():
        compile(text, "dag.py", "exec")
        assert [text.count(f'schedule="{cron}"') for cron in ("*/15 * * * *", "7,22,37,52 * * * *")] == [1, 1]
    assert '"$MODELYARD" retrain tick --project' in told["local/flights_loop.py"]
    assert 'arguments=["retrain", "tick"]' in told["kubernetes/flights_loop.py"]
    job = yaml.safe_load(TARGETS["kubernetes"].render(subject)["base/flights-loop-cronjob.yaml"])
    pod = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    assert (job["spec"]["schedule"], pod["containers"][0]["command"]) == ("*/15 * * * *", loop.split())


def test_where_no_view_is_no_features_are_brought(tmp_path: Path) -> None:
    """A model that takes all it needs from the request."""
    subject = changed(tmp_path, {})
    assert "materialize" not in TARGETS["cron"].render(subject)["crontab"]
    assert not any("materialize" in text for text in TARGETS["airflow"].render(subject).values())

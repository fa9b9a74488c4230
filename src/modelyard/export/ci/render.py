"""Workflows of GitHub and GitLab, from the same list of jobs, so that both do the same."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..documents import document
from ..naming import deployment_names
from ..records import Files, Subject
from ..steps import pipeline_of

_HEAD = "Rendered by `modelyard export ci` from modelyard.yaml; change that, and render again."
_STORES = ("RECORDS", "ARTIFACTS", "TRACKING", "ONLINE")


@dataclass(frozen=True)
class Job:
    """A job: its lines, what it waits for, what of it is kept, and the environment that people approve."""

    name: str
    about: str
    lines: tuple[str, ...]
    needs: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    environment: str | None = None
    only_main: bool = True
    settings: Mapping[str, str] = field(default_factory=dict)


def render(subject: Subject) -> Files:
    """`.github/workflows/modelyard.yml` and `.gitlab-ci.yml`."""
    jobs = jobs_of(subject)
    return {
        ".github/workflows/modelyard.yml": document(_github(subject, jobs), _comment("GitHub Actions", "Secrets")),
        ".gitlab-ci.yml": document(_gitlab(subject, jobs), _comment("GitLab CI", "masked variables")),
    }


def jobs_of(subject: Subject) -> list[Job]:
    """Check, train behind the pipeline's gates, staging, smoke test, production once somebody approved, monitors."""
    pipeline = pipeline_of(subject)
    (deployment, *_), declared = deployment_names(subject), subject.deployments
    model = declared[deployment].model_name
    gate = " ".join(f"--{key.replace('_', '-', 1)} {value:g}" for key, value in _gate(subject, model).items())
    newest = (
        f"VERSION=$(modelyard model list --name {model} --json | python -c "
        "'import json, sys; print(max(int(each[\"version\"]) for each in json.load(sys.stdin)))')"
    )
    return [
        Job(
            "check",
            "The project file and the pipeline are right; tests, where there are any.",
            (
                "modelyard config show --json > /dev/null",
                f"modelyard pipeline validate {pipeline} --strict",
                "if [ -d tests ]; then python -m pip install --quiet pytest && python -m pytest -q tests; fi",
            ),
            only_main=False,
        ),
        Job(
            "train",
            "Data validation, training, evaluation, gate and registration are steps of the pipeline; a gate "
            "that says no "
            "ends the job. The gate is asked once more of what was registered.",
            (
                f"modelyard pipeline run {pipeline} --json > run.json",
                newest,
                f"modelyard model gate {model} $VERSION {gate}",
            ),
            ("check",),
            ("run.json",),
        ),
        Job(
            "staging",
            "The newest version to staging, asked its golden rows there.",
            (
                newest,
                f"modelyard deploy --model {model} --version $VERSION --env staging --reason CI --json > staging.json",
            ),
            ("train",),
            ("staging.json",),
            environment="staging",
        ),
        Job(
            "production",
            "Begins once somebody approved; how it takes over is the deployment's strategy.",
            (newest, f"modelyard deploy --model {model} --version $VERSION --env production --reason CI"),
            ("staging",),
            environment="production",
        ),
        Job(
            "monitor",
            "What is watched from now on, and the rules for Prometheus.",
            ("modelyard monitor status --json > monitors.json", "modelyard export prometheus -o prometheus"),
            ("production",),
            ("monitors.json", "prometheus"),
        ),
    ]


def _gate(subject: Subject, model: str) -> Mapping[str, float]:
    """Limits that the project declares for the model; accuracy of at least .85 where it declares none."""
    declared = subject.models[model].gate if model in subject.models else {}
    return declared or {"min_accuracy": 0.85}


def _comment(what: str, where: str) -> str:
    told = ", ".join(f"MODELYARD_STORES_{each}" for each in _STORES)
    return (
        f"Check, train, staging, production with approval, and scheduled retraining: {what}. {_HEAD}\n"
        f"The stores are beyond the runner: {told} come from {where}."
    )


def _install(subject: Subject) -> str:
    extras = ",".join(subject.settings.extras)
    return f'python -m pip install --quiet "modelyard[{extras}]=={subject.version}"'


def _github(subject: Subject, jobs: list[Job]) -> dict[str, Any]:
    stores = {f"MODELYARD_STORES_{each}": f"${{{{ secrets.MODELYARD_STORES_{each} }}}}" for each in _STORES}
    return {
        "name": "modelyard",
        "on": {
            "push": {"branches": ["main"]},
            "pull_request": None,
            "#": "Scheduled retraining, in UTC.",
            "schedule": [{"cron": subject.settings.schedule}],
            "workflow_dispatch": None,
        },
        "permissions": {"contents": "read"},
        "concurrency": {"group": "modelyard-${{ github.ref }}", "cancel-in-progress": False},
        "env": stores,
        "jobs": {each.name: _github_job(subject, each) for each in jobs},
    }


def _github_job(subject: Subject, job: Job) -> dict[str, Any]:
    steps: list[dict[str, Any]] = [
        {"uses": "actions/checkout@v4"},
        {"uses": "actions/setup-python@v5", "with": {"python-version": subject.settings.python, "cache": "pip"}},
        {"name": "Install", "run": _install(subject)},
        {"name": job.name.capitalize(), "run": "\n".join(job.lines) + "\n"},
    ]
    if job.kept:
        steps.append(
            {
                "if": "always()",
                "uses": "actions/upload-artifact@v4",
                "with": {"name": job.name, "path": "\n".join(job.kept) + "\n"},
            }
        )
    made: dict[str, Any] = {"#": job.about, "runs-on": "ubuntu-24.04", "timeout-minutes": 120}
    if job.needs:
        made["needs"] = list(job.needs)
    if job.only_main:
        made["if"] = "github.ref == 'refs/heads/main'"
    if job.environment is not None:
        made["environment"] = job.environment
    return made | {"steps": steps}


def _gitlab(subject: Subject, jobs: list[Job]) -> dict[str, Any]:
    made: dict[str, Any] = {
        "image": f"python:{subject.settings.python}-slim-bookworm",
        "stages": [each.name for each in jobs],
        "#": f"Scheduled retraining: a pipeline schedule of the project, {subject.settings.schedule} (UTC).",
        "default": {"before_script": [_install(subject)], "interruptible": False},
    }
    for job in jobs:
        rules = [
            {"if": "$CI_COMMIT_BRANCH == $CI_DEFAULT_BRANCH"}
            | ({"when": "manual"} if job.environment == "production" else {})
        ]
        if not job.only_main:
            rules.append({"if": '$CI_PIPELINE_SOURCE == "merge_request_event"'})
        made[job.name] = {
            "#": job.about,
            "stage": job.name,
            **({"needs": list(job.needs)} if job.needs else {}),
            "rules": rules,
            **({"environment": {"name": job.environment}} if job.environment else {}),
            "script": list(job.lines),
            **({"artifacts": {"when": "always", "paths": list(job.kept)}} if job.kept else {}),
        }
    return made

"""Workflows of GitHub and GitLab, from the same list of jobs, so that both do the same."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from modelyard.registry import DEFAULT_LIMITS

from ..documents import document
from ..naming import deployment_names
from ..records import Files, Subject
from ..steps import pipeline_of

_HEAD = "Rendered by `modelyard export ci` from modelyard.yaml; change that, and render again."


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
        ".github/workflows/modelyard.yml": document(
            _github(subject, jobs), _comment(subject, "GitHub Actions", "Secrets")
        ),
        ".gitlab-ci.yml": document(_gitlab(subject, jobs), _comment(subject, "GitLab CI", "masked variables")),
    }


def jobs_of(subject: Subject) -> list[Job]:
    """Tests, data, training behind gates, staging, smoke test, production once somebody approved, monitors."""
    pipeline = pipeline_of(subject)
    (deployment, *_), declared = deployment_names(subject), subject.deployments
    model = declared[deployment].model_name
    staging = [name for name, each in declared.items() if each.model == f"{model}@staging"]
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
        *_data(subject),
        Job(
            "train",
            "Data validation, training, evaluation, gate and registration are steps of the pipeline; a gate "
            "that says no ends the job. The gate is asked once more of what was registered.",
            (
                f"modelyard pipeline run {pipeline} --json > run.json",
                _newest(model),
                f"modelyard model gate {model} $VERSION {_limits(subject, model)}",
            ),
            ("data" if subject.datasets else "check",),
            ("run.json",),
        ),
        Job(
            "staging",
            "The newest version to staging.",
            (_newest(model), _brought(model, "staging", declared=bool(staging)) + " --json > staging.json"),
            ("train",),
            ("staging.json",),
            environment="staging",
        ),
        _smoke(model, staging, subject.port),
        Job(
            "production",
            "Begins once somebody approved; how it takes over is the deployment's strategy.",
            (_newest(model), _to_production(subject, model, staged=bool(staging))),
            ("smoke",),
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


def _data(subject: Subject) -> Iterator[Job]:
    """Each dataset judged by its declared checks, and described on a page that is kept."""
    lines = [
        line
        for each in subject.datasets
        for line in (
            f"modelyard data validate {each} --json > data-{each}.json",
            f"modelyard data profile {each} --html profile-{each}.html --json > profile-{each}.json",
        )
    ]
    if lines:
        kept = tuple(
            name
            for each in subject.datasets
            for name in (f"data-{each}.json", f"profile-{each}.html", f"profile-{each}.json")
        )
        yield Job(
            "data",
            "Datasets keep what is declared of them; their profiles are artifacts.",
            tuple(lines),
            ("check",),
            kept,
            only_main=False,
        )


def _smoke(model: str, staging: Sequence[str], port: int) -> Job:
    """Golden rows: asked of a server in staging, or of the bundle itself where no deployment follows that alias."""
    if not staging:
        return Job(
            "smoke",
            f"No deployment follows {model}@staging: the bundle itself answers its golden rows.",
            (
                f"modelyard bundle fetch {model}@staging -o staged",
                "modelyard bundle verify staged/bundle --json > smoke.json",
            ),
            ("staging",),
            ("smoke.json",),
        )
    ready = f"python -c \"import urllib.request as web; web.urlopen('http://127.0.0.1:{port}/ready')\""
    asked = [
        f'modelyard deploy smoke {each} ${{STAGING_URL:+--url "$STAGING_URL"}} --wait 120 --json > smoke-{each}.json'
        for each in staging
    ]
    return Job(
        "smoke",
        "The golden rows, asked of the server at STAGING_URL; without that, of one that is started here.",
        (
            'if [ -z "$STAGING_URL" ]; then modelyard serve > server.log 2>&1 & echo $! > server.pid; fi',
            f"if [ -f server.pid ]; then until {ready} 2> /dev/null; do kill -0 $(cat server.pid); sleep 1; done; fi",
            *asked,
            "if [ -f server.pid ]; then kill $(cat server.pid); fi",
        ),
        ("staging",),
        tuple(f"smoke-{each}.json" for each in staging),
    )


def _to_production(subject: Subject, model: str, *, staged: bool) -> str:
    """The command that brings the version there: one without a deployment in staging was tried in its place."""
    following = [each for each in subject.deployments.values() if each.model == f"{model}@production"]
    tried = staged or not any(each.needs_smoke for each in following)
    return _brought(model, "production", declared=bool(following) and tried)


def _brought(model: str, stage: str, *, declared: bool) -> str:
    if declared:
        return f"modelyard deploy --model {model} --version $VERSION --env {stage} --reason CI"
    return f"modelyard model promote --name {model} --version $VERSION --stage {stage} --reason CI"


def _newest(model: str) -> str:
    """The line that finds the newest version."""
    return (
        f"VERSION=$(modelyard model list --name {model} --json | python -c "
        "'import json, sys; print(max(each[\"number\"] for each in json.load(sys.stdin)))')"
    )


def _limits(subject: Subject, model: str) -> str:
    return " ".join(f"--{key.replace('_', '-', 1)} {value:g}" for key, value in _gate(subject, model).items())


def _gate(subject: Subject, model: str) -> Mapping[str, float]:
    """Limits that the project declares for the model, or the default."""
    declared = subject.models[model].gate if model in subject.models else {}
    return declared or DEFAULT_LIMITS


def _secrets(subject: Subject) -> list[str]:
    """What jobs are told in secret: where the stores are, and the key that a server in staging asks for."""
    stores = ["RECORDS", "ARTIFACTS", "TRACKING", *(["ONLINE"] if subject.views else [])]
    return [*(f"MODELYARD_STORES_{each}" for each in stores), "MODELYARD_API_KEY"]


def _comment(subject: Subject, what: str, where: str) -> str:
    told = ", ".join(_secrets(subject))
    return (
        f"Check, train, staging, production with approval, and scheduled retraining: {what}. {_HEAD}\n"
        f"The stores are beyond the runner: {told} (of a server in staging) come from {where}; STAGING_URL is its "
        "address, where there is one."
    )


def _install(subject: Subject) -> str:
    extras = ",".join(subject.settings.extras)
    return f'python -m pip install --quiet "modelyard[{extras}]=={subject.version}"'


def _github(subject: Subject, jobs: list[Job]) -> dict[str, Any]:
    told = {each: f"${{{{ secrets.{each} }}}}" for each in _secrets(subject)}
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
        "env": {**told, "STAGING_URL": "${{ vars.STAGING_URL }}"},
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

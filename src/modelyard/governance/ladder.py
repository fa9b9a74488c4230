"""The ladder: which capability needs what to be on which level, and what to do about it.

The capabilities are those of both models named in `Level`; what shows each is our own choice. Where use leaves a trace,
only the trace counts (`observed`). Of owners, tests and CI only the project's files can tell (`declared`).
"""

from dataclasses import dataclass

from .records import Level


@dataclass(frozen=True)
class Rung:
    """One demand: a fact, observed `at_least` so often, or `every` time there could be one.

    `declared`: the project's files suffice. `needs` completes "it lacks …"; `next` is what to type or to write, with
    the workspace's own names in place of `{model}`, `{version}`, `{deployment}`, `{pipeline}`, `{dataset}`.
    """

    level: Level
    fact: str
    needs: str
    next: str
    at_least: int = 1
    every: bool = False
    declared: bool = False


@dataclass(frozen=True)
class Capability:
    """What a team can do. With `where` it is judged only where that fact is declared."""

    name: str
    title: str
    rungs: tuple[Rung, ...]
    where: str = ""

    @property
    def facts(self) -> frozenset[str]:
        """All that it is judged by."""
        return frozenset(each.fact for each in self.rungs)


_PIPELINE, _CICD, _FULL = Level.PIPELINE, Level.CICD, Level.FULL

LADDER: tuple[Capability, ...] = (
    Capability(
        "data",
        "Data: versions and checks",
        (
            Rung(_PIPELINE, "data.known", "a record of which data was used", "modelyard data version add NAME FILE"),
            Rung(
                _CICD,
                "data.checked",
                "a run whose data was checked first",
                "datasets.{dataset}.checks in modelyard.yaml, a step of kind validate, and: "
                "modelyard pipeline run {pipeline}",
            ),
        ),
    ),
    Capability(
        "pipelines",
        "Pipelines",
        (
            Rung(_PIPELINE, "pipelines.passed", "a pipeline's run that passed", "modelyard pipeline run {pipeline}"),
            Rung(
                _CICD,
                "pipelines.repeated",
                "one pipeline that passed three times",
                "modelyard pipeline run {pipeline}",
                at_least=3,
            ),
        ),
    ),
    Capability(
        "tracking",
        "Tracking",
        (
            Rung(
                _PIPELINE,
                "tracking.runs",
                "a version that came from a tracked run",
                "modelyard model register --name {model} --run RUN",
            ),
            Rung(
                _CICD,
                "tracking.production",
                "a tracked run behind every version in production",
                "modelyard pipeline run {pipeline}, and promote what it registers",
                every=True,
            ),
        ),
    ),
    Capability(
        "tests",
        "Tests",
        (
            Rung(
                _CICD,
                "tests.functions",
                "tests in the project's folder",
                "tests/test_{pipeline}.py, with a test of each step",
                declared=True,
            ),
        ),
    ),
    Capability(
        "ci",
        "CI",
        (
            Rung(
                _CICD,
                "ci.workflows",
                "a CI workflow that calls modelyard",
                ".github/workflows/modelyard.yml, with: modelyard pipeline validate {pipeline} --strict",
                declared=True,
            ),
            Rung(
                _FULL,
                "ci.gates",
                "a CI workflow that a judgement of modelyard's can stop",
                "in the workflow: modelyard pipeline validate {pipeline} --strict; modelyard maturity --audit",
                declared=True,
            ),
        ),
    ),
    Capability(
        "registry",
        "Registry and approvals",
        (
            Rung(
                _PIPELINE,
                "registry.versions",
                "a version that could be served",
                "modelyard model register --name {model} --path MODEL --sample ROWS",
            ),
            Rung(
                _CICD,
                "registry.gated",
                "gates that every version in production passed",
                "modelyard model gate {model} {version} --min-accuracy 0.85",
                every=True,
            ),
            Rung(
                _FULL,
                "registry.approved",
                "somebody else's approval of every version in production",
                "security.approvals: {{production: {{required: 1}}}} in modelyard.yaml, and: "
                "modelyard model approve {model} {version}",
                every=True,
            ),
        ),
    ),
    Capability(
        "deployment",
        "Deployment and rollback",
        (
            Rung(
                _PIPELINE,
                "deployment.routes",
                "a deployment that serves a registered version",
                "modelyard model promote --name {model} --version {version} --stage production",
            ),
            Rung(
                _CICD,
                "deployment.promotions",
                "two promotions to production",
                "modelyard model promote --name {model} --version VERSION --stage production",
                at_least=2,
            ),
            Rung(
                _FULL,
                "deployment.canaries",
                "a canary that was judged by its answers",
                "deployments.{deployment}.strategy: canary in modelyard.yaml, and: "
                "modelyard rollout start {deployment} --to VERSION",
            ),
            Rung(
                _FULL,
                "deployment.rollbacks",
                "a rollback, were it for exercise",
                "modelyard model rollback --name {model}",
            ),
        ),
    ),
    Capability(
        "monitoring",
        "Monitoring",
        (
            Rung(
                _PIPELINE,
                "monitoring.log",
                "predictions on record",
                "modelyard up, and: modelyard log stats {deployment}",
            ),
            Rung(
                _CICD,
                "monitoring.windows",
                "a recently judged window of every deployment",
                "monitoring.{deployment}: {{window: 7d}} in modelyard.yaml, and: "
                "modelyard monitor run --deployment {deployment}",
                every=True,
            ),
            Rung(
                _FULL,
                "monitoring.truth",
                "a window that was judged by the truth",
                "POST /feedback with labels, then: modelyard monitor run --deployment {deployment}",
            ),
        ),
    ),
    Capability(
        "retraining",
        "Retraining",
        (
            Rung(
                _CICD,
                "retraining.cycles",
                "a cycle of retraining",
                "retraining.{model}: {{pipeline: {pipeline}, deployment: {deployment}}} in modelyard.yaml, and: "
                "modelyard retrain run {model}",
            ),
            Rung(
                _FULL,
                "retraining.automatic",
                "a cycle that began by itself",
                "retraining.{model}.every: 30d in modelyard.yaml, and keep running: modelyard up",
            ),
        ),
    ),
    Capability(
        "features",
        "Features",
        (
            Rung(
                _PIPELINE,
                "features.materialized",
                "values of every feature view in the online store",
                "modelyard features materialize",
                every=True,
            ),
        ),
        where="features.views",
    ),
    Capability(
        "ownership",
        "Ownership",
        (
            Rung(
                _CICD,
                "ownership.owners",
                "an owner of every model in production",
                "models.{model}.owner: TEAM in modelyard.yaml",
                every=True,
                declared=True,
            ),
            Rung(
                _FULL,
                "ownership.uses",
                "what every model in production is for",
                "models.{model}.intended_use: TEXT in modelyard.yaml",
                every=True,
                declared=True,
            ),
        ),
    ),
    Capability(
        "audit",
        "Audit and signatures",
        (
            Rung(_PIPELINE, "audit.entries", "an audit record that is whole", "modelyard audit verify"),
            Rung(
                _CICD,
                "audit.signed",
                "a signed checkpoint of the audit record",
                "modelyard bundle keygen, and: modelyard audit checkpoint",
            ),
            Rung(
                _FULL,
                "audit.bundles",
                "a signature on every bundle in production",
                "modelyard bundle sign models:/{model}/{version}",
                every=True,
            ),
        ),
    ),
)
"""Every capability, with its rungs from the lowest up."""

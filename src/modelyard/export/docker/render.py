"""The files of the images and of the compose file."""

from ..documents import commented, document, fill
from ..naming import deployment_names, image_of
from ..prometheus import alertmanager, rules, scrape
from ..records import Files, Subject
from ..served import served
from .requirements import SERVING, pinned

_HEAD = "Rendered by `modelyard export docker` from modelyard.yaml; change that, and render again.\n"

_PASSWORD = "${POSTGRES_PASSWORD:?choose one in .env}"  # noqa: S105 - the name of a variable
_ANY = "0.0.0.0"  # noqa: S104 - the address inside a container's own network
_SCRATCH = "/tmp"  # noqa: S108 - memory of a container's own


def render(subject: Subject) -> Files:
    """Dockerfiles, what they install, and the compose file."""
    names, settings = deployment_names(subject), subject.settings
    values = {
        "project": subject.project,
        "version": subject.version,
        "python": settings.python,
        "extras": ",".join(settings.extras),
    }
    server = _pins("the server's image", pinned(SERVING, python=settings.python))
    training = pinned(["modelyard"], python=settings.python, extras=settings.extras)
    return {
        "server.Dockerfile": fill("server.Dockerfile.j2", values),
        "training.Dockerfile": fill("training.Dockerfile.j2", values),
        "server.Dockerfile.dockerignore": fill("dockerignore.j2", values),
        "training.Dockerfile.dockerignore": fill("dockerignore.j2", values),
        "requirements-server.txt": server,
        "requirements-training.txt": _pins("the training image", training),
        "compose.yaml": _compose(subject, names),
        **{f"deployments/{names[each]}.json": served(subject, each) for each in names},
        "prometheus/prometheus.yml": scrape(subject, _targets(names), control="control:8083"),
        "prometheus/rules.yml": rules(subject),
        "prometheus/alertmanager.yml": alertmanager(subject),
        ".env.example": fill("compose.env.j2", values),
    }


def _pins(what: str, pins: list[str]) -> str:
    told = f"What {what} holds, pinned to what was installed where it was rendered.\n{_HEAD}"
    return commented(told.strip()) + "".join(f"{each}\n" for each in pins)


def _targets(names: dict[str, str]) -> dict[str, str]:
    return {each: f"{name}:8082" for each, name in names.items()}


def _compose(subject: Subject, names: dict[str, str]) -> str:
    services = {**_stores(), **_commands(subject)}
    for place, (deployment, name) in enumerate(names.items()):
        services |= _server(subject, deployment, name, 8080 + 10 * place)
    compose = {
        "name": next(iter(names.values())),
        "services": services,
        "volumes": {
            each: {}
            for each in (
                *("postgres", "artifacts", "workspace", "journal", "prometheus"),
                *(f"models-{name}" for name in names.values()),
            )
        },
        "secrets": {"api-keys": {"file": "./api-keys.txt"}},
    }
    head = (
        f"{subject.project} on one machine: servers, control, PostgreSQL, Valkey, MLflow, Prometheus. {_HEAD}\n"
        "  cp .env.example .env                      # choose a password\n"
        "  docker compose run --rm training modelyard pipeline run PIPELINE\n"
        "  docker compose run --rm training modelyard key create --name me   # put the key into api-keys.txt\n"
        "  docker compose up -d\n"
        "Only loopback is published. A server serves the version that its alias names when it starts. After a "
        "promotion: "
        "docker compose up -d --force-recreate fetch-NAME NAME."
    )
    return document(compose, head)


def _stores() -> dict[str, object]:
    closed = {"security_opt": ["no-new-privileges:true"], "restart": "unless-stopped"}
    return {
        "postgres": {
            "#": "Records: aliases, approvals, routes, audit.",
            "image": "postgres:17.5",
            "environment": {"POSTGRES_PASSWORD": _PASSWORD, "POSTGRES_DB": "modelyard"},
            "volumes": ["postgres:/var/lib/postgresql/data"],
            "healthcheck": {
                "test": ["CMD-SHELL", "pg_isready -U postgres"],
                "interval": "5s",
                "timeout": "3s",
                "retries": 20,
            },
            **closed,
        },
        "valkey": {
            "#": "Features online. They are materialized anew after a loss, so nothing is kept on disk.",
            "image": "valkey/valkey:8.1.2",
            "command": ["valkey-server", "--save", "", "--appendonly", "no"],
            "healthcheck": {"test": ["CMD", "valkey-cli", "ping"], "interval": "5s", "timeout": "3s", "retries": 20},
            **closed,
        },
        "mlflow": {
            "#": "Runs and logged models. It has no password of its own: it is reached inside this network alone.",
            "image": "ghcr.io/mlflow/mlflow:v3.4.0-full",
            "command": [
                "mlflow", "server", "--host", _ANY, "--port", "5000",
                "--backend-store-uri", "sqlite:////artifacts/mlflow.db", "--serve-artifacts",
                "--artifacts-destination", "/artifacts", "--allowed-hosts", "mlflow,mlflow:5000",
            ],
            "volumes": ["artifacts:/artifacts"],
            **closed,
        },
        "prometheus": {
            "image": "prom/prometheus:v3.5.0",
            "command": ["--config.file=/etc/prometheus/prometheus.yml", "--storage.tsdb.path=/prometheus"],
            "volumes": ["./prometheus:/etc/prometheus:ro", "prometheus:/prometheus"],
            "ports": ["127.0.0.1:9090:9090"],
            **closed,
        },
    }  # fmt: skip


def _environment() -> dict[str, str]:
    """Where commands find the stores: over what the project file says."""
    return {
        "MODELYARD_STORES_RECORDS": "postgresql+psycopg://postgres:${POSTGRES_PASSWORD}@postgres:5432/modelyard",
        "MODELYARD_STORES_ONLINE": "redis://valkey:6379/0",
        "MODELYARD_STORES_TRACKING": "http://mlflow:5000",
        "MODELYARD_SECURITY_AUTHENTICATION": "true",
        "MODELYARD_SERVER_HOST": _ANY,
        "MODELYARD_SERVER_BEHIND_PROXY": "true",
    }


def _commands(subject: Subject) -> dict[str, object]:
    """Steps and commands, and the control process, from the training image."""
    image = {
        "image": image_of(subject, "training"),
        "environment": _environment(),
        "#1": "The journal is the servers' own: monitors read what they wrote.",
        "volumes": ["workspace:/project/.modelyard", "journal:/project/.modelyard/journal"],
        "depends_on": {"postgres": {"condition": "service_healthy"}, "valkey": {"condition": "service_healthy"}},
        "read_only": True,
        "tmpfs": [_SCRATCH],
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
    }
    build = {"context": "..", "dockerfile": "${EXPORT_FOLDER:-docker}/training.Dockerfile"}
    return {
        "training": {"#": "For commands: docker compose run --rm training modelyard …", "build": build, **image,
                     "profiles": ["commands"], "command": ["modelyard", "status"]},
        "control": {"#": "Monitors, alerts, retraining, materialization.", **image, "restart": "unless-stopped",
                    "command": ["python", "-m", "modelyard.control", "--project", "/project"]},
    }  # fmt: skip


def _server(subject: Subject, deployment: str, name: str, port: int) -> dict[str, object]:
    """What fetches the bundle, and the server that serves it."""
    model = subject.deployments[deployment].model
    fetch = {
        "#": f"Brings the bundle of {model} to the server's volume, and ends.",
        "image": image_of(subject, "training"),
        "command": ["modelyard", "bundle", "fetch", f"models:/{model}", "-o", "/models/now"],
        "environment": _environment(),
        "volumes": ["workspace:/project/.modelyard", f"models-{name}:/models"],
        "depends_on": {"postgres": {"condition": "service_healthy"}},
    }
    environment = {
        "MODEL_URI": "/models/now",
        "WORKERS": str(subject.workers),
        "DEPLOYMENT_FILE": "/etc/modelyard/deployment.json",
        "API_KEYS_FILE": "/run/secrets/api-keys",
        "STATE_FOLDER": f"{_SCRATCH}/state",
        "JOURNAL_FOLDER": "/journal",
        "SERVER_NAME": name,
        **({"ONLINE_STORE": "redis://valkey:6379/0"} if subject.views else {}),
    }
    server = {
        "build": {"context": "..", "dockerfile": "${EXPORT_FOLDER:-docker}/server.Dockerfile"},
        "image": image_of(subject, "server"),
        "environment": environment,
        "secrets": ["api-keys"],
        "volumes": [
            f"models-{name}:/models:ro",
            f"./deployments/{name}.json:/etc/modelyard/deployment.json:ro",
            "journal:/journal",
        ],
        "ports": [f"127.0.0.1:{port}:8080"],
        "depends_on": {f"fetch-{name}": {"condition": "service_completed_successfully"}},
        "read_only": True,
        "tmpfs": [_SCRATCH],
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
        "restart": "unless-stopped",
        "stop_grace_period": f"{subject.drain_seconds + 5:g}s",
    }
    return {f"fetch-{name}": fetch, name: server}

"""`python -m modelyard.serving.container serve`: one bundle of a deployment, served by a container that the environment
tells everything: no project, no database, no control plane.

| variable | what it says |
|---|---|
| `MODEL_URI` | folder of a bundle, or one that `modelyard bundle fetch` filled; `/opt/ml/model` by default |
| `WORKERS` | processes that share the port; 1 by default |
| `DEPLOYMENT_FILE` | JSON of a `Served`; without it the deployment has the model's name |
| `API_KEYS_FILE` | API keys, a line each: `modelyard_…`, or a role and a key |
| `BEHIND_GATEWAY` | `true`: whoever reaches the port was let in by something in front of it, and no key is asked for |
| `ONLINE_STORE` | address of the online store, where the model's features come from one |
| `STATE_FOLDER` | where the server keeps its feed; `/var/lib/modelyard` by default |
| `JOURNAL_FOLDER` | where the prediction log goes; `journal` in that folder by default |
| `CERTIFICATE_FILE`, `PRIVATE_KEY_FILE` | TLS of its own, on all ports; nothing: a proxy or the network does that |
| `BEHIND_PROXY` | `true` where a proxy says whom it speaks for: X-Forwarded-For |
| `PER_KEY`, `PER_SOURCE` | requests a second that a key, an address, may make of each process; nothing: no limit |
| `HOST`, `PORT`, `GRPC_PORT`, `METRICS_PORT`, `DRAIN_SECONDS` | 0.0.0.0, 8080, 8081, 8082, 25 |

What is served never changes while the container lives: another version is another container.
"""

import os
import socket
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from modelyard.access import Role, load_pepper, token_digest
from modelyard.core import (
    Digest,
    InvalidInput,
    ModelyardError,
    atomic_write,
    check_name,
    did_you_mean,
    is_name,
)
from modelyard.inference import Fetched, add_signatures, verify_bundle
from modelyard.routing import Arm, Feed, FeedFolder, KeyEntry, Route, ServingPolicy

SAGEMAKER_MODEL = "/opt/ml/model"
"""Where SageMaker unpacks a model, and where an image with a bundle inside keeps it."""


class Served(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A deployment as the project file declares it: what a route and a feed carry elsewhere."""

    deployment: str
    assign_by: str | None = None
    latency_objective_ms: float = 200.0
    policy: ServingPolicy = ServingPolicy()
    python_bundles: tuple[Digest, ...] = ()
    require_signed: bool = False
    trusted_keys: tuple[str, ...] = ()
    python_keys: tuple[str, ...] = ()


def main() -> int:
    """Become the server; exit code 2 for what the operator has to change."""
    if sys.argv[1:] not in ([], ["serve"]):
        print(f"{sys.argv[1]!r} is no command of this image; it has: serve.", file=sys.stderr)  # noqa: T201 - process edge
        return 2
    try:
        command = container_command(os.environ)
    except ModelyardError as error:
        print(f"{error.message}\n{error.remedy}".rstrip(), file=sys.stderr)  # noqa: T201 - process edge
        return 2
    return os.execv(command[0], command)  # noqa: S606 - this process becomes the server


def container_command(environment: Mapping[str, str]) -> list[str]:
    """Write the feed of one route, and return the command of its server."""
    state = Path(environment.get("STATE_FOLDER", "/var/lib/modelyard"))
    gateway = _flag(environment, "BEHIND_GATEWAY")
    publish(environment, state, open_door=gateway)
    told = {
        "--feed": state / "feed",
        "--journal": Path(environment.get("JOURNAL_FOLDER", state / "journal")),
        "--online": state / "online",
        "--pepper": state / "pepper",
        "--server": _server_name(environment),
        "--host": environment.get("HOST", "0.0.0.0"),  # noqa: S104 - a container's own network
        "--port": _number(environment, "PORT", environment.get("SAGEMAKER_BIND_TO_PORT", "8080")),
        "--grpc-port": _number(environment, "GRPC_PORT", "8081"),
        "--metrics-port": _number(environment, "METRICS_PORT", "8082"),
        "--workers": _number(environment, "WORKERS", "1"),
        "--drain-seconds": environment.get("DRAIN_SECONDS", "25"),
    }
    if address := environment.get("ONLINE_STORE"):
        atomic_write(state / "online-store", address.encode(), mode=0o600)
        told["--online-address"] = state / "online-store"
    told |= _guards(environment)
    words = [word for option, value in told.items() for word in (option, str(value))]
    flags = {"--behind-gateway": gateway, "--behind-proxy": _flag(environment, "BEHIND_PROXY")}
    return [sys.executable, "-m", "modelyard.serving", *words, *(flag for flag, given in flags.items() if given)]


def _guards(environment: Mapping[str, str]) -> dict[str, object]:
    """TLS of the server's own, and limits of what a caller may ask: none unless they are given."""
    found: dict[str, object] = {}
    for name in ("PER_KEY", "PER_SOURCE"):
        if name in environment:
            found[f"--{name.lower().replace('_', '-')}"] = _number(environment, name, "")
    files = {"--certificate": "CERTIFICATE_FILE", "--private-key": "PRIVATE_KEY_FILE"}
    given = {option: Path(environment[name]) for option, name in files.items() if name in environment}
    if len(given) == 1:
        raise InvalidInput(
            "CERTIFICATE_FILE and PRIVATE_KEY_FILE go together.", remedy="Mount the Secret of TLS, and name both."
        )
    for option, file in given.items():
        if not file.is_file():
            raise InvalidInput(f"{files[option]} {file} is no file.", remedy="Mount the Secret of TLS there.")
    return found | given


def publish(environment: Mapping[str, str], state: Path, *, open_door: bool) -> Feed:
    """Write the feed of the bundle that `MODEL_URI` names: one route, one arm, the keys of the keys' file."""
    folder, version = _bundle(environment.get("MODEL_URI", SAGEMAKER_MODEL))
    info, digest = verify_bundle(folder)
    served = _served(environment, info.model)
    keys = tuple(_keys(environment, load_pepper(state / "pepper")))
    if not keys and not open_door:
        raise InvalidInput(
            "There is no API key, and nothing is said to stand in front of this container.",
            code="OPEN_DOOR",
            remedy="Name a file of keys by API_KEYS_FILE, or set BEHIND_GATEWAY=true where a gateway lets callers in.",
        )
    feed = FeedFolder(state / "feed")
    add_signatures(folder, feed.put_bundle(folder, digest), digest)
    before = feed.read()
    route = Route(
        served.deployment,
        info.model,
        1,
        (Arm("live", "live", version or info.version, digest, 1.0),),
        served.deployment,
        assign_by=served.assign_by,
        latency_objective_ms=served.latency_objective_ms,
        reason="served by a container",
    )
    made = Feed(
        1 if before is None else before.revision + 1,
        (route,),
        keys,
        authentication=not open_door,
        policies={served.deployment: served.policy},
        python_bundles=served.python_bundles,
        require_signed=served.require_signed,
        trusted_keys=served.trusted_keys,
        python_keys=served.python_keys,
    )
    feed.publish(made)
    return made


def _bundle(uri: str) -> tuple[Path, str | None]:
    """The folder of the bundle, and the number of its version where that is known."""
    if ("://" in uri and not uri.startswith("file://")) or uri.startswith(("models:", "runs:")):
        raise InvalidInput(
            f"MODEL_URI is {uri[:200]}, which a server does not fetch.",
            remedy="Fetch it before: modelyard bundle fetch URI -o FOLDER, and name the folder.",
        )
    folder = Path(uri.removeprefix("file://"))
    if not (folder / Fetched.FILE).is_file():
        return folder, None
    fetched = msgspec.json.decode((folder / Fetched.FILE).read_bytes(), type=Fetched)
    return folder / Fetched.FOLDER, fetched.version


def _served(environment: Mapping[str, str], model: str) -> Served:
    if (file := environment.get("DEPLOYMENT_FILE")) is None:
        return Served(model)
    try:
        served = msgspec.json.decode(Path(file).read_bytes(), type=Served)
    except (OSError, msgspec.MsgspecError) as error:
        raise InvalidInput(
            f"DEPLOYMENT_FILE {file} cannot be read: {error}.", remedy="Render it again: modelyard export kubernetes"
        ) from error
    check_name("deployment", served.deployment)
    return served


def _keys(environment: Mapping[str, str], pepper: bytes) -> Iterator[KeyEntry]:
    """The keys of the file, as servers know them; their secrets go no further than this process."""
    if (file := environment.get("API_KEYS_FILE")) is None:
        return
    try:
        lines = Path(file).read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise InvalidInput(
            f"API_KEYS_FILE {file} cannot be read: {error.strerror}.", remedy="Mount the Secret with the keys there."
        ) from error
    roles = [each.value for each in Role]
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        role, _, token = line.strip().rpartition(" ")
        parts = token.split("_")
        if (role or Role.SERVICE.value) not in roles or len(parts) != 3 or len(parts[2]) < 32:
            raise InvalidInput(
                f"Line {number} of {file} is no API key.",
                remedy=f"Write a key as `modelyard key create` shows it, behind a role or by itself. "
                f"{did_you_mean(role, roles) if role else ''}",
            )
        yield KeyEntry(parts[1], token_digest(token, pepper), role or Role.SERVICE.value)


def _server_name(environment: Mapping[str, str]) -> str:
    name = environment.get("SERVER_NAME") or socket.gethostname()
    return name if is_name(name) else "server-1"


def _number(environment: Mapping[str, str], name: str, default: str) -> int:
    text = environment.get(name, default)
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 65535:
        raise InvalidInput(f"{name} is {text[:50]!r}, no whole number from 1 on.", remedy=f"Set {name}, or leave it.")
    return int(text)


def _flag(environment: Mapping[str, str], name: str) -> bool:
    text = environment.get(name, "false").lower()
    if text not in ("true", "false"):
        raise InvalidInput(f"{name} is {text[:50]!r}.", remedy="Write true or false.")
    return text == "true"


if __name__ == "__main__":
    sys.exit(main())

"""A server of ours with a key, for clients that others wrote; and packages of npm, in a folder that git ignores."""

import json
import runpy
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from modelyard.access import Role, load_pepper, mint_key
from modelyard.core import Digest, Micros
from modelyard.core.locks import alone
from modelyard.guards import GuardSet
from modelyard.inference import load_embedder
from modelyard.routing import KeyEntry, ServingPolicy
from modelyard.testing import faulty_upstream

from ..serving.harness import Server
from ..serving.test_chat import TEXT, Gateway, live, route
from ..tiny_embedder import build_tiny

__all__ = ["MODELS", "PYTHON", "TEXT", "gateway_with_a_key", "installed_in", "npm_packages"]

PYTHON = "openai==3.54.0"
ENVIRONMENTS = runpy.run_path(str(Path(__file__).parents[2] / "benchmarks" / "environments.py"))
PEERS: Path = ENVIRONMENTS["PEERS"]
GUARDS = GuardSet.model_validate({"guards": [{"guard": "personal_data"}, {"guard": "secrets", "action": "refuse"}]})
MODELS = ("answer", "bytes", "tool", "busy", "half-json", "cut")


@contextmanager
def gateway_with_a_key(folder: Path) -> Iterator[dict[str, str]]:
    """A server with a key, and what a client is told of it; `vectors` are those that it must give."""
    pepper, tiny = folder / "pepper", build_tiny(folder / "tiny")
    token, stored = mint_key("k", Role.SERVICE, load_pepper(pepper), now=Micros(0), created_by="t", deployments=())
    with faulty_upstream() as upstream:
        made = Gateway(folder, upstream)
        made.server = Server(folder, options=(f"--pepper={pepper}",))
        embedder = load_embedder(tiny)
        made.server.feed.put_bundle(tiny, Digest(embedder.digest))
        made.publish(
            *(route(each, live(made.bundle(each))) for each in MODELS),
            route("guarded", live(made.bundle("letters", guards=GUARDS))),
            route("mini", live(Digest(embedder.digest))),
            policy=ServingPolicy(log_text="full"),
            keys=(KeyEntry(stored.key_id, stored.digest, "service"),),
            authentication=True,
        )
        made.server.start()
        vectors = json.dumps(embedder.embed([TEXT, "b"]).tolist())
        try:
            yield {"url": f"http://127.0.0.1:{made.server.port}/v1", "key": token, "text": TEXT, "vectors": vectors}
        finally:
            ended = made.server.stop()
        assert ended == 0


def installed_in(name: str, *packages: str) -> Path:
    """The folder of a virtual environment with packages, made once, whoever else wants it at the moment."""
    with alone(PEERS / f"{name}.lock"):
        folder: Path = ENVIRONMENTS["install"](name, packages)
    return folder


def npm_packages(name: str, *packages: str, options: tuple[str, ...] = ()) -> Path:
    """The folder where packages of npm are, installed once and with no script of theirs run."""
    folder = PEERS / name
    mark, wanted = folder / ".installed", "\n".join(packages)
    if not mark.exists() or mark.read_text() != wanted:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "package.json").write_text("{}")
        command = ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", *options, *packages]
        made = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        assert made.returncode == 0, made.stderr[-2000:]
        mark.write_text(wanted)
    return folder

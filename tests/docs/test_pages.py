"""README and docs are true: their examples run, their links lead somewhere, their project files are valid."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from modelyard.core import InvalidInput
from modelyard.wiring import FILE_NAME, ProjectFile, load_project_file

from .markdown import PAGES, REPOSITORY, Block, anchors, blocks, code_spans, links, named
from .session import Session, typed

LANGUAGES = {"", "bash", "console", "json", "mermaid", "python", "text", "yaml"}
"""What fenced blocks may say; a misspelt language would silently not be run."""


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    """A terminal in an empty folder."""
    session = Session(tmp_path)
    yield session
    session.close()


SLOW = {
    "04-explanations.md", "README.md", "adopt-a-model.md", "answer-from-documents.md", "approve-and-promote.md",
    "back-up-and-restore.md",
    "bundle-any-model.md", "call-the-server.md", "canary.md", "check-data.md", "define-features.md",
    "derive-features.md", "disaster.md", "evaluate-answers.md", "export-elsewhere.md", "first-model.md",
    "from-feast.md", "from-mlflow.md", "get-alerted.md", "guard-text.md", "judge-answers.md", "judge-maturity.md",
    "know-your-data.md", "manage-prompts.md", "production.md", "prove-the-audit.md", "query-the-log.md",
    "reindex-by-itself.md",
    "retrain-by-itself.md", "retraining.md", "run-a-pipeline.md", "run-an-ab-test.md", "run-in-containers.md",
    "run-it-all.md", "run-on-ray.md", "score-a-stream.md", "score-in-batch.md", "search-documents.md",
    "search-parameters.md",
    "serve-a-language-model.md", "serve-an-embedder.md", "serve-features.md", "ship-the-log.md", "sign-bundles.md",
    "stream-features.md", "take-it-to-kubernetes.md", "to-kubernetes.md", "trace-lineage.md", "track-runs.md",
    "train-at-scale.md", "watch-a-language-model.md", "watch-a-model.md", "write-a-pipeline.md", "write-model-cards.md",
}  # fmt: skip
"""Pages of many commands, each a process of its own."""


@pytest.mark.timeout(400)
@pytest.mark.usefixtures("untold_mlflow")
@pytest.mark.filterwarnings("ignore::UserWarning:mlflow")
@pytest.mark.filterwarnings("ignore::FutureWarning:mlflow")
@pytest.mark.parametrize(
    "page", [pytest.param(each, marks=[pytest.mark.long] * (each.name in SLOW)) for each in PAGES], ids=named
)
def test_the_examples_of_a_page_run_as_shown(page: Path, session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """In order, in one folder: commands end and print as shown, Python blocks share their names."""
    monkeypatch.chdir(session.folder)
    names: dict[str, Any] = {"__name__": "__main__"}
    for block in blocks(page.read_text()):
        if block.not_run is not None:
            continue
        if block.language in ("console", "bash"):
            for line in typed(block.text, block.language):
                session.type(line)
        elif block.language == "python":
            exec(compile("\n" * block.line + block.text, page, "exec"), names)
        elif block.language == "yaml":
            check_yaml(block, session.folder)


def check_yaml(block: Block, folder: Path) -> None:
    """A whole project file must load beside the examples' modules; a part of one must be valid by itself."""
    written = yaml.safe_load(block.text)
    if not isinstance(written, dict) or not set(written) <= set(ProjectFile.model_fields):
        return
    ProjectFile.model_validate({"project": "part", **written})
    if "project" in written:
        home = folder / f"project-{block.line}"
        shutil.copytree(REPOSITORY / "examples" / "flights", home)
        (home / FILE_NAME).write_text(block.text)
        load_project_file(home, {})


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_the_links_of_a_page_lead_somewhere(page: Path) -> None:
    """Relative links name files that exist, and headings that these have."""
    broken = [
        each for each in links(page.read_text()) if not each.startswith(("https://", "http://")) and dead(page, each)
    ]
    assert broken == []


def dead(page: Path, link: str) -> bool:
    """Whether a relative link leads nowhere."""
    path, _, anchor = link.partition("#")
    target = (page.parent / path).resolve() if path else page
    if not target.exists():
        return True
    return bool(anchor) and anchor not in anchors(target.read_text())


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_a_page_names_only_targets_that_the_makefile_has(page: Path) -> None:
    """`make demo` in a sentence or a block is a promise of the Makefile."""
    text = page.read_text()
    targets = set(re.findall(r"^([a-z-]+):", (REPOSITORY / "Makefile").read_text(), flags=re.MULTILINE))
    code = [*code_spans(text), *(line.removeprefix("$ ") for block in blocks(text) for line in block.text.splitlines())]
    named_targets = {match[1] for each in code if (match := re.match(r"make ([a-z-]+)", each))}
    assert named_targets <= targets


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_block_says_a_language_that_is_known(page: Path) -> None:
    """So that no example escapes being run by a misspelt name."""
    assert {block.language for block in blocks(page.read_text())} <= LANGUAGES


def test_a_project_file_in_a_page_is_validated(tmp_path: Path) -> None:
    """A whole one with what it points at, a part by itself; other YAML is nobody's project."""
    another = "project: shop\nmodels: {other: {label: spam, request: {length: number}, features: [length]}}\n"
    check_yaml(Block("yaml", "project: shop\nserver: {port: 80}", 1, None), tmp_path)
    check_yaml(Block("yaml", "kind: Deployment", 2, None), tmp_path)
    with pytest.raises(ValidationError, match="prot"):
        check_yaml(Block("yaml", "server: {prot: 80}", 3, None), tmp_path)
    with pytest.raises(InvalidInput, match="models has no 'fraud'"):
        check_yaml(Block("yaml", another + "deployments: {d: {model: fraud@production}}", 4, None), tmp_path)


def test_a_dead_link_is_noticed(tmp_path: Path) -> None:
    """A missing file, and a missing heading."""
    page = tmp_path / "page.md"
    page.write_text("# Here\n")
    assert not dead(page, "#here")
    assert not dead(page, "page.md#here")
    assert dead(page, "page.md#there")
    assert dead(page, "other.md")

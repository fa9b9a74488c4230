"""What a project's folder declares: workflows of CI, and tests."""

from pathlib import Path

import pytest

from modelyard.governance import folder_evidence


def counted(folder: Path) -> dict[str, int]:
    """How many of each fact."""
    return {each.fact: each.count for each in folder_evidence(folder)}


def write(path: Path, text: str) -> None:
    """A file, and its folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.mark.parametrize(
    ("file", "text", "calls", "judges"),
    [
        (".github/workflows/ci.yml", "run: modelyard pipeline validate training --strict", 1, 1),
        (".gitlab-ci.yml", "script:\n  - modelyard model list", 1, 0),
        ("Jenkinsfile", "sh 'modelyard maturity --audit'", 1, 1),
        (".github/workflows/ci.yml", "run: .venv/bin/modelyard data validate rows.csv", 1, 1),
        (".github/workflows/ci.yml", "# run: modelyard pipeline validate training", 0, 0),
        (".github/workflows/ci.yml", "run: pip install modelyard", 0, 0),
        (".github/workflows/ci.yml", "uses: other/modelyard-action@v1", 0, 0),
        (".github/workflows/notes.txt", "modelyard pipeline validate training", 0, 0),
    ],
)
def test_a_workflow_counts_when_it_calls_us(tmp_path: Path, file: str, text: str, calls: int, judges: int) -> None:
    """Not when it only mentions us; and as a gate only when a judgement of ours can stop it."""
    write(tmp_path / file, text)
    assert (counted(tmp_path)["ci.workflows"], counted(tmp_path)["ci.gates"]) == (calls, judges)


def test_workflows_above_the_project_count_up_to_the_repository(tmp_path: Path) -> None:
    """A project may be a folder of its repository; what lies above that is somebody else's."""
    project = tmp_path / "repository" / "models" / "fraud"
    project.mkdir(parents=True)
    write(tmp_path / ".gitlab-ci.yml", "script: modelyard model list")
    (tmp_path / "repository" / ".git").mkdir()
    assert counted(project)["ci.workflows"] == 0
    write(tmp_path / "repository" / ".gitlab-ci.yml", "script: modelyard model list")
    assert counted(project)["ci.workflows"] == 1


def test_functions_of_tests_are_counted(tmp_path: Path) -> None:
    """In files of tests, methods too; none in what is no Python, and nothing is run."""
    write(
        tmp_path / "tests" / "unit" / "test_a.py", "def test_one(): ...\nclass T:\n    async def test_two(self): ...\n"
    )
    write(tmp_path / "test_b.py", "raise SystemExit\ndef test_three(): ...\ndef other(): ...\n")
    write(tmp_path / "tests" / "test_c.py", "def test_broken(:\n")
    write(tmp_path / "tests" / "conftest.py", "def test_nothing(): ...\n")
    write(tmp_path / "training.py", "def test_nothing(): ...\n")
    assert counted(tmp_path)["tests.functions"] == 3


def test_what_cannot_be_read_counts_for_nothing(tmp_path: Path) -> None:
    """Bytes that are no text, a folder in a file's place, and far too much."""
    (tmp_path / ".gitlab-ci.yml").mkdir()
    write(tmp_path / "Jenkinsfile", "modelyard model list\n" * 100_000)
    (tmp_path / "test_bytes.py").write_bytes(b"\xff\x00def test_x(): ...")
    assert set(counted(tmp_path).values()) == {0}

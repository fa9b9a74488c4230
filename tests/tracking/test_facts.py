"""What a run was made with: found, bounded, and without secrets."""

import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import numpy as np
import psutil
import pytest

from modelyard.tracking import concealed, gathered
from modelyard.tracking.facts import code_facts, distributions, machine_facts, requirements_of
from modelyard.tracking.facts.code import DIFF_LIMIT


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A working copy of one commit."""
    git(tmp_path, "init", "-q", "-b", "main")
    (tmp_path / "train.py").write_text("rate = 1\n")
    commit(tmp_path)
    return tmp_path


def git(folder: Path, *arguments: str) -> str:
    """Run git, as somebody."""
    who = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b"}
    plain = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    done = subprocess.run(["git", *arguments], cwd=folder, env=plain | who, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def commit(folder: Path) -> None:
    """Commit all that is there."""
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "more")


def test_a_clean_copy_is_its_commit(copy: Path) -> None:
    """Also seen from a folder inside it, and whatever repository a hook's variables point at."""
    (copy / "inner").mkdir()
    found = code_facts(copy / "inner")
    assert found is not None
    assert (found.commit, found.branch, found.dirty, found.diff) == (git(copy, "rev-parse", "HEAD"), "main", False, "")


def test_what_differs_is_kept_and_can_be_applied(copy: Path) -> None:
    """The diff gives the changed file back; new files are named."""
    (copy / "train.py").write_text("rate = 2\n")
    (copy / "größe.py").write_text("new\n")
    found = code_facts(copy)
    assert found is not None
    assert found.dirty
    assert "# größe.py\n" in found.diff
    git(copy, "checkout", "-q", "train.py")
    (copy / "changes.diff").write_text(found.diff)
    git(copy, "apply", "changes.diff")
    assert (copy / "train.py").read_text() == "rate = 2\n"


def test_a_great_diff_is_cut_off_and_files_of_secrets_are_not_shown(copy: Path) -> None:
    """A change of megabytes costs one; keys and `.env` files are left out, though they make the copy dirty."""
    for name in (".env", "server.pem", "db-credentials.json", "train.py"):
        (copy / name).write_text("before\n")
    commit(copy)
    for name in (".env", "server.pem", "db-credentials.json"):
        (copy / name).write_text("hunter2\n")
    hidden = code_facts(copy)
    assert hidden is not None
    assert (hidden.dirty, hidden.diff) == (True, "")
    (copy / "train.py").write_text("x = 1\n" * 1_000_000)
    found = code_facts(copy)
    assert found is not None
    assert DIFF_LIMIT <= len(found.diff) <= DIFF_LIMIT + 100
    assert found.diff.endswith("bytes\n")


def test_without_a_commit_there_are_no_facts_of_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Outside of a copy, before its first commit, without git, and where there is no folder."""
    assert code_facts(tmp_path) is None
    assert code_facts(tmp_path / "nothing") is None
    git(tmp_path, "init", "-q")
    assert code_facts(tmp_path) is None
    monkeypatch.setenv("PATH", str(tmp_path))
    assert code_facts(tmp_path) is None


def test_the_copys_own_programs_are_not_run(copy: Path) -> None:
    """An external diff that a repository sets up for itself is code of a stranger."""
    git(copy, "config", "diff.external", f"touch {copy / 'ran'}; true")
    git(copy, "config", "core.fsmonitor", f"touch {copy / 'ran'}; true")
    (copy / "train.py").write_text("rate = 3\n")
    found = code_facts(copy)
    assert found is not None
    assert "+rate = 3" in found.diff
    assert not (copy / "ran").exists()


def test_the_machine_is_this_one() -> None:
    """As Python and psutil tell it."""
    found = machine_facts()
    assert found["python"] == sys.version.split()[0]
    assert found["memory_bytes"] == psutil.virtual_memory().total
    assert found["cpus"] == len(psutil.Process().cpu_affinity())
    assert found["cpu"]


def test_distributions_are_those_that_are_installed() -> None:
    """By the versions that their own metadata tell."""
    found = distributions()
    for name in ("scikit-learn", "numpy", "mlflow", "ruamel-yaml", "pytest"):
        if name in found:
            assert found[name] == metadata.version(name)
    assert found["scikit-learn"] == metadata.version("scikit-learn")
    assert len(found) > 50


def test_requirements_are_of_distributions_and_not_of_modules() -> None:
    """Whose names differ from their module's; Python's own modules and nobody's are none, nor names several share."""
    expected = [f"numpy=={np.__version__}", f"scikit-learn=={metadata.version('scikit-learn')}"]
    assert requirements_of(["sklearn", "numpy", "json", "google", "my_own_module"]) == expected
    assert requirements_of(["yaml"]) == [f"PyYAML=={metadata.version('PyYAML')}"]


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ('password = "hunter22"', 'password = "***"'),
        ("+    API_KEY: 'x1y2z3'", "+    API_KEY: '***'"),
        ("token=abc12345def", "token=***"),
        ('{"client_secret": "abcd-efgh"}', '{"client_secret": "***"}'),
        ("postgres://me:pw@host/db and https://x:y@z", "postgres://me:***@host/db and https://x:***@z"),
        ("AKIAABCDEFGHIJKLMNOP", "***"),
        ("key ghp_" + "a" * 36, "key ***"),
        ("-----BEGIN RSA PRIVATE KEY-----\nabc\n-----END RSA PRIVATE KEY-----\nafter", "***\nafter"),
        ("cut -----BEGIN PRIVATE KEY-----\nabc", "cut ***"),
        ("the words of the variable: horse-battery", "the words of the variable: ***"),
        ("named: staple", "named: ***"),
        ("max_tokens=512, next_token = get_token(x)", "max_tokens=512, next_token = get_token(x)"),
        ('TOKEN = os.environ["TOKEN"]', 'TOKEN = os.environ["TOKEN"]'),
        ("the author of /home/me wrote it", "the author of /home/me wrote it"),
    ],
)
def test_secrets_are_concealed_and_code_is_not(text: str, kept: str) -> None:
    """By how they are written, by their form, and by the variables that hold them."""
    environment = {"DB_PASSWORD": "horse-battery", "PLAIN": "staple", "PWD": "/home/me", "GIT_AUTHOR_NAME": "author"}
    assert concealed(text, ["PLAIN"], environment) == kept


def test_facts_of_a_run_are_tags_and_files(copy: Path) -> None:
    """Under MLflow's names where it has one; the diff has gone through the mask."""
    (copy / "train.py").write_text("rate = 7\n")
    tags, files = gathered(copy, lambda text: text.replace("rate = 7", "***"))
    assert tags["mlflow.source.git.commit"] == git(copy, "rev-parse", "HEAD")
    assert tags["modelyard.git.dirty"] == "true"
    assert set(files) == {"machine.json", "requirements.txt", "changes.diff"}
    assert "+***" in files["changes.diff"]
    assert f"numpy=={np.__version__}\n" in files["requirements.txt"]

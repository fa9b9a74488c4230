"""Starting costs little: help is instant and the root package imports nothing heavy."""

import resource
import subprocess
import sys
from pathlib import Path

HEAVY = {"mlflow", "pandas", "pyarrow", "duckdb", "sklearn", "sqlalchemy", "pydantic", "numpy"}


def cpu_seconds_of_children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def test_help_takes_less_than_three_tenths_of_a_second_of_cpu() -> None:
    """The best of three runs, so that a busy machine's noise does not decide."""
    costs = []
    for _ in range(3):
        before = cpu_seconds_of_children()
        subprocess.run([sys.executable, "-m", "modelyard", "--help"], check=True, capture_output=True)
        costs.append(cpu_seconds_of_children() - before)
    assert min(costs) < 0.3


def test_help_imports_nothing_heavy() -> None:
    """Listing the commands needs none of what they do."""
    program = (
        "import sys; from modelyard.cli import main; sys.argv = ['modelyard', '--help']; main();"
        f"print(sorted({HEAVY!r} & set(sys.modules)), file=sys.stderr)"
    )
    result = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert result.stderr.strip() == "[]"


def test_a_project_opens_without_what_only_some_commands_need() -> None:
    """A rollback waits for these imports: pandas alone would make them half as long again."""
    program = "import sys, modelyard.wiring.project; print(sorted({'mlflow', 'pandas', 'sklearn'} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert result.stdout.strip() == "[]"


def test_a_pipeline_is_rendered_without_what_only_its_steps_need(tmp_path: Path) -> None:
    """The example's graph, with its schema and its views, is had without pandas and scikit-learn: an export takes a
    third of the time.
    """
    flights = Path(__file__).parents[2] / "examples" / "flights"
    command = ["modelyard", "export", "kubeflow", "--project", str(flights), "-o", str(tmp_path)]
    program = (
        f"import sys; from modelyard.cli import main; sys.argv = {command!r}; main();"
        "print(sorted({'mlflow', 'pandas', 'sklearn', 'modelyard.serving'} & set(sys.modules)), file=sys.stderr)"
    )
    result = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert result.stderr.strip().splitlines()[-1] == "[]"
    assert list(tmp_path.rglob("*.yaml"))


def test_no_garbage_is_sought_while_a_command_is_imported() -> None:
    """All that is imported stays; looking through it again and again took a fifth of the time."""
    program = (
        "import gc, modelyard.cli.permitting; from modelyard.cli.root import root; found = [];"
        "gc.callbacks.append(lambda phase, _: found.append(phase));"
        "root.get_command(None, 'config'); print(len(found), gc.isenabled(), gc.get_freeze_count() > 10_000)"
    )
    result = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert result.stdout.split() == ["0", "True", "True"]


def test_a_process_that_scores_parts_starts_light() -> None:
    """Each of a cluster's processes pays for what it imports before its first row."""
    program = (
        "import sys, modelyard.scoring.spread;"
        "print(sorted({'mlflow', 'sqlalchemy', 'sklearn', 'pandas', 'modelyard.features'} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert result.stdout.strip() == "[]"

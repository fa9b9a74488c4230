"""What pipeline steps reach: a version's record says which rows made it, and its recipe repeats."""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from modelyard.core import InvalidInput, ManualClock, SeededIds
from modelyard.data import split_by_time, version_of
from modelyard.inference import BundleInfo, verify_bundle
from modelyard.operations import write_template
from modelyard.wiring import Project

pytestmark = pytest.mark.filterwarnings("ignore")  # MLflow's and its dependencies' own

AT = datetime(2026, 1, 5, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """The smallest project, with two versions trained on the same rows."""
    folder = tmp_path_factory.mktemp("shop")
    write_template("minimal", folder)
    project = Project(folder, clock=ManualClock(AT), ids=SeededIds(0))
    for run_id in ("one", "two"):
        assert project.pipelines.run("training", {"as_of": AT}, run_id=run_id).verdict == "pass"
    yield project
    project.close()


def test_a_version_names_the_very_rows_it_was_trained_on(project: Project, tmp_path: Path) -> None:
    """Features and label, the held-out days not among them; one changed feature gives another digest."""
    visits = project.services.dataset("visits", AT)
    past, _ = split_by_time(visits, "visited_at", timedelta(days=7), AT)
    rows = past.select(["pages", "minutes", "channel", "bought"])
    (digest,) = bundle_of(project, 1, tmp_path).datasets.values()
    assert digest == version_of("purchase", rows).digest
    changed = rows.set_column(0, "pages", pa.array([99, *rows.column("pages").to_pylist()[1:]]))
    assert digest != version_of("purchase", changed).digest


def test_the_same_rows_and_seed_give_the_same_model(project: Project, tmp_path: Path) -> None:
    """Two runs of one pipeline: byte for byte the same but for the report of the build, which has timings."""
    first, second = (bundle_of(project, number, tmp_path / str(number)) for number in (1, 2))
    differing = {name for name in first.files if first.files[name] != second.files[name]}
    assert (first.datasets, differing) == (second.datasets, {"build.json"})


PLAIN = """
project: plain
datasets:
  visits: {source: "data.py:visits", label: bought}
models:
  visitors: {task: multiclass, label: bought, request: {pages: number}, features: [pages]}
"""


def test_rows_without_time_are_all_known_and_need_no_join(tmp_path: Path) -> None:
    """A dataset that names no times has every row at any time; what a view would join is refused."""
    write_template("minimal", tmp_path)
    (tmp_path / "modelyard.yaml").write_text(PLAIN)
    with closing(Project(tmp_path, clock=ManualClock(AT))) as project:
        rows = project.services.dataset("visits", datetime(1970, 1, 1, tzinfo=UTC))
        assert len(rows) > 0
        assert project.services.join("visitors", rows) is rows
        with pytest.raises(InvalidInput, match="'pages' of model 'visitors' is joined by time"):
            project.services.join("visitors", rows.drop_columns(["pages"]))


def test_pipelines_refuse_to_train_what_is_not_binary(tmp_path: Path) -> None:
    """Before anything is made of the rows."""
    write_template("minimal", tmp_path)
    (tmp_path / "modelyard.yaml").write_text(PLAIN)
    with closing(Project(tmp_path, clock=ManualClock(AT))) as project:
        rows = project.services.dataset("visits", AT)
        with pytest.raises(InvalidInput, match="'visitors' is declared as multiclass"):
            project.services.samples("visitors", rows)


def bundle_of(project: Project, number: int, folder: Path) -> BundleInfo:
    """What the bundle of a version says of itself."""
    version = project.models.get("purchase", number)
    info, _ = verify_bundle(project.models.fetch_bundle(version, folder / "bundle"))
    return info

"""The job for Spark, run by PySpark on a local master: the answers of `modelyard score`, to the bit."""

import json
import os
import runpy
import shutil
import subprocess
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.export.subjects import changed

from modelyard.bundling import BuiltBundle
from modelyard.export import TARGETS, write

REPOSITORY = Path(__file__).parents[2]
MODELYARD = REPOSITORY / ".venv" / "bin" / "modelyard"
pytestmark = [
    pytest.mark.extras,
    pytest.mark.timeout(600),
    pytest.mark.skipif(shutil.which("java") is None, reason="Spark needs a JVM: apt-get install default-jre-headless"),
]


@pytest.fixture(scope="module")
def spark() -> Path:
    """The programs of an environment with PySpark."""
    install = runpy.run_path(str(REPOSITORY / "benchmarks" / "environments.py"))["install"]
    return Path(install("pyspark", ["pyspark==4.0.5", "pyarrow>=18", "pandas>=2.2,<3"])) / "bin"


def submitted(spark: Path, folder: Path, bundle: Path, *more: str) -> subprocess.CompletedProcess[str]:
    """The rendered job over `rows.parquet`, on two threads of this machine."""
    environment = {
        **os.environ,
        "MODELYARD_BIN": str(MODELYARD),
        "PYSPARK_PYTHON": str(spark / "python"),
        "SPARK_LOCAL_IP": "127.0.0.1",
    }
    words = ["--bundle", str(bundle), "--input", str(folder / "rows.parquet"), "--output", str(folder / "scored")]
    conf = ["--conf", "spark.ui.enabled=false", "--conf", "spark.sql.files.maxPartitionBytes=16k"]
    conf += ["--conf", "spark.log.level=ERROR"]
    return subprocess.run(
        [spark / "spark-submit", "--master", "local[2]", *conf, folder / "job" / "score.py", *words, *more],
        env=environment, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The rendered job, and rows in several groups so that there are several partitions; one row is refused."""
    (tmp_path / "shop").mkdir()
    write(TARGETS["spark"].render(changed(tmp_path / "shop", {})), tmp_path / "job")
    amounts = [None if each == 1234 else float(each % 997) for each in range(4000)]
    countries = [("de", "fr", None, "unheard of")[each % 4] for each in range(4000)]
    visits = [float(each % 7) for each in range(4000)]
    rows = pa.table({"row": range(4000), "amount": amounts, "country": countries, "visits": visits})
    pq.write_table(rows, tmp_path / "rows.parquet", row_group_size=1000, compression="none")
    return tmp_path


def test_a_table_gets_the_answers_of_our_own_command(spark: Path, folder: Path, built: BuiltBundle) -> None:
    """Row by row; the refused one stands in a file with its reason, as there."""
    ended = submitted(spark, folder, built.path, "--rejects", str(folder / "rejects"))
    assert ended.returncode == 0, ended.stderr[-4000:]
    own = folder / "own.parquet"
    command = [
        str(each)
        for each in (MODELYARD, "score", "--bundle", built.path, "--input", folder / "rows.parquet", "--output", own)
    ]
    subprocess.run(command, check=True, capture_output=True)
    answers, expected = pq.read_table(folder / "scored").sort_by("row"), pq.read_table(own)
    assert answers.num_rows == 3999
    assert answers.column_names == expected.column_names
    for name in set(expected.column_names) - {"predicted_at"}:
        assert answers[name].to_pylist() == expected[name].to_pylist()
    assert len(answers["predicted_at"].unique()) == 1
    assert len(list((folder / "scored").glob("part-*.parquet"))) > 1
    refused = [json.loads(line) for file in (folder / "rejects").glob("*") for line in file.read_text().splitlines()]
    assert len(refused) == 1


def test_a_refused_row_stops_the_job_unless_there_is_a_place_for_it(
    spark: Path, folder: Path, built: BuiltBundle
) -> None:
    """With the reason in what the job says."""
    ended = submitted(spark, folder, built.path)
    assert ended.returncode != 0
    assert "BAD_ROW" in ended.stderr
    assert not (folder / "scored" / "_SUCCESS").exists()

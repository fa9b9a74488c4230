"""Files are scored as the bundle scores their rows, and a job that is cut off goes on to the same bytes."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest
from tests.conftest import NOON, training_table

from modelyard.bundling import BuiltBundle
from modelyard.core import ManualClock
from modelyard.data import UnreadableData, read_table
from modelyard.execution import LocalPool
from modelyard.inference import Bundle, load_bundle
from modelyard.scoring import BadRow, BatchDone, BatchJob, JobCutOff, NotScorable, OutputTaken, Progress, score_batch
from modelyard.scoring.source import open_source
from modelyard.scoring.spread import Spread
from modelyard.scoring.work import LocalWork

ROWS = 400


@pytest.fixture(scope="module")
def bundle(built: BuiltBundle) -> Bundle:
    """The small model, loaded."""
    return load_bundle(built.path)


@pytest.fixture
def table() -> pa.Table:
    """Rows to score, with a column that the model does not take."""
    return training_table(ROWS, seed=7).append_column("customer", pa.array([f"c{at}" for at in range(ROWS)]))


@pytest.fixture
def source(tmp_path: Path, table: pa.Table) -> str:
    """The rows as a Parquet file of several row groups."""
    pq.write_table(table, tmp_path / "in.parquet", row_group_size=90)
    return str(tmp_path / "in.parquet")


def score(job: BatchJob, bundle: Bundle, **given: Any) -> BatchDone:
    """Score in parts of 64 rows, at noon."""
    options: dict[str, Any] = {"clock": ManualClock(NOON), "part_rows": 64} | given
    return score_batch(job, bundle, **options)


def expected(bundle: Bundle, table: pa.Table) -> np.ndarray:
    """The scores that the bundle gives the rows themselves, missing values as None."""
    rows = table.select(bundle.info.signature.names).to_pylist()
    return bundle.predict(rows).scores[:, 0]


def written(source: str, table: pa.Table, kind: str) -> str:
    """The rows in another format."""
    path = str(Path(source).with_name(f"in.{kind}"))
    if kind == "csv":
        pa_csv.write_csv(table, path)
    elif kind == "jsonl":
        Path(path).write_text("".join(json.dumps(each) + "\n" for each in table.to_pylist()))
    elif kind == "arrow":
        with pa.ipc.new_file(path, table.schema) as writer:
            writer.write_table(table)
    return path


@pytest.mark.parametrize("kind", ["parquet", "csv", "jsonl", "arrow"])
def test_each_format_in_and_out_holds_the_bundles_own_scores(
    kind: str, source: str, table: pa.Table, bundle: Bundle, tmp_path: Path
) -> None:
    """With all columns of the input, the class, the instant and the version behind."""
    output = tmp_path / f"out.{kind}"
    done = score(BatchJob(written(source, table, kind), str(output)), bundle)
    found = read_table(output)
    scores = expected(bundle, table)
    assert (done.read, done.rows, done.refused, done.parts) == (ROWS, ROWS, 0, 7)
    assert found.column_names == [*table.column_names, "prediction", "score", "predicted_at", "model_version"]
    assert found.column("customer").to_pylist() == table.column("customer").to_pylist()
    assert found.column("score").to_pylist() == scores.tolist()
    assert [str(each) for each in found.column("prediction").to_pylist()] == [
        "1" if each > 0.5 else "0" for each in scores
    ]
    assert {str(each) for each in found.column("model_version").to_pylist()} == {bundle.info.version}
    assert pa.types.is_timestamp(found.schema.field("predicted_at").type) or kind == "jsonl"
    assert not LocalWork(output).folder.exists()


def test_a_folder_has_a_manifest_of_its_parts(source: str, bundle: Bundle, tmp_path: Path, table: pa.Table) -> None:
    """And reads as one source."""
    score(BatchJob(source, str(tmp_path / "out")), bundle)
    manifest = json.loads((tmp_path / "out" / "_manifest.json").read_text())
    assert [each["read"] for each in manifest["parts"]] == [64, 64, 64, 64, 64, 64, 16]
    assert read_table(tmp_path / "out").column("score").to_pylist() == expected(bundle, table).tolist()


def test_partitioned_folders_give_their_columns(tmp_path: Path, table: pa.Table, bundle: Bundle) -> None:
    """Whole numbers as such, text decoded; the model may take them."""
    for country in ("de", "fr"):
        folder = tmp_path / "in" / "year=2026" / f"country={country}"
        folder.mkdir(parents=True)
        pq.write_table(table.drop_columns(["country"]).slice(0, 10), folder / "a.parquet")
    (tmp_path / "in" / "_SUCCESS").touch()
    score(BatchJob(str(tmp_path / "in"), str(tmp_path / "out.parquet")), bundle)
    found = read_table(tmp_path / "out.parquet")
    assert found.column("country").to_pylist() == ["de"] * 10 + ["fr"] * 10
    assert set(found.column("year").to_pylist()) == {2026}
    assert found.column("score").to_pylist() == expected(bundle, found).tolist()


def test_urls_of_fsspec_are_read_and_written(source: str, bundle: Bundle, table: pa.Table) -> None:
    """Files and folders; parts are gone afterwards, and what is there is not written over."""
    memory = fsspec.filesystem("memory")
    memory.pipe_file("/scoring/in.parquet", Path(source).read_bytes())
    try:
        score(BatchJob("memory://scoring/in.parquet", "memory://scoring/out.parquet"), bundle)
        score(BatchJob("memory://scoring/in.parquet", "memory://scoring/folder"), bundle)
        for each in ("memory://scoring/out.parquet", "memory://scoring/folder"):
            assert read_table(each).column("score").to_pylist() == expected(bundle, table).tolist()
            with pytest.raises(OutputTaken, match="exists already"):
                score(BatchJob("memory://scoring/in.parquet", each), bundle)
        assert not memory.exists("/scoring/out.parquet.scoring/_plan.json")
        memory.pipe_file("/scoring/mine/notes.txt", b"mine")
        with pytest.raises(OutputTaken, match=r"holds files of others, such as notes\.txt"):
            score(BatchJob("memory://scoring/in.parquet", "memory://scoring/mine"), bundle)
        assert memory.exists("/scoring/mine/notes.txt")
    finally:
        memory.rm("/scoring", recursive=True)


def test_conditions_choose_rows_and_see_nothing_else(
    source: str, table: pa.Table, bundle: Bundle, tmp_path: Path
) -> None:
    """Null is not true; what is no condition over a row is refused before anything is written."""
    score(BatchJob(source, str(tmp_path / "out.parquet"), where="country = 'de'", keep=("customer",)), bundle)
    found = read_table(tmp_path / "out.parquet")
    chosen = table.filter(pa.compute.equal(table.column("country"), "de"))
    assert found.column("customer").to_pylist() == chosen.column("customer").to_pylist()
    assert found.column("score").to_pylist() == expected(bundle, chosen).tolist()
    assert found.column_names[:2] == ["customer", "prediction"]
    for condition in ("nosuch > 1", "count(*) > 1", "1 = 1; DROP TABLE x", f"exists (FROM '{source}')"):
        with pytest.raises(NotScorable, match="--where"):
            score(BatchJob(source, str(tmp_path / "other.parquet"), where=condition), bundle)
    assert not (tmp_path / "other.parquet").exists()


BAD = "amount,country,visits\n1.5,de,2\n,fr,3\nmany,it,1\n7,99,2\n-inf,de,1\n8,it,\n"
"""Rows 2, 3 and 5 are none that the model takes; 99 is a level it has never seen."""


def test_rows_that_the_model_does_not_take_go_to_a_file_with_the_reason(bundle: Bundle, tmp_path: Path) -> None:
    """With where they stand and what they hold; the others are scored."""
    (tmp_path / "in.csv").write_text(BAD)
    done = score(BatchJob(str(tmp_path / "in.csv"), str(tmp_path / "out.jsonl"), where="visits is not null"), bundle)
    assert (done.read, done.rows, done.refused, done.unknown) == (6, 2, 3, {"country": 1})
    assert done.rejects == str(tmp_path / "out.jsonl.rejects.jsonl")
    told = [json.loads(line) for line in Path(done.rejects).read_text().splitlines()]
    assert [each["row"] for each in told] == [2, 3, 5]
    assert {each["file"] for each in told} == {str(tmp_path / "in.csv")}
    assert "expected a number: the model was trained without missing values" in told[0]["reason"]
    assert told[1]["reason"] == "Field 'amount' is 'many'; expected a number or null."
    assert told[0]["values"]["country"] == "fr"
    assert [json.loads(line)["amount"] for line in (tmp_path / "out.jsonl").read_text().splitlines()] == [1.5, 7.0]


def test_a_bad_row_can_stop_the_job(bundle: Bundle, tmp_path: Path) -> None:
    """By name of file and row; there is no output then."""
    (tmp_path / "in.csv").write_text(BAD)
    with pytest.raises(BadRow, match=r"in\.csv, row 2") as told:
        score(BatchJob(str(tmp_path / "in.csv"), str(tmp_path / "out.csv"), on_bad_row="stop"), bundle)
    assert told.value.context["row"] == 2
    assert not (tmp_path / "out.csv").exists()


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_damaged_lines_go_to_the_same_file_and_the_others_are_scored(
    kind: str, source: str, table: pa.Table, bundle: Bundle, tmp_path: Path
) -> None:
    """With the line, the reason and the text; or they stop the job, as bad rows do."""
    path = Path(written(source, table, kind))
    lines = path.read_text().splitlines(keepends=True)
    lines.insert(70, "1,2,3,4,5,6\n" if kind == "csv" else '{"amount": 1.5, "coun\n')
    lines.insert(300, "1\n" if kind == "csv" else "[1, 2]\n")
    path.write_text("".join(lines))
    done = score(BatchJob(str(path), str(tmp_path / "out.parquet")), bundle)
    assert (done.read, done.rows, done.refused) == (ROWS + 2, ROWS, 2)
    assert read_table(tmp_path / "out.parquet").column("score").to_pylist() == expected(bundle, table).tolist()
    assert done.rejects is not None
    told = [json.loads(each) for each in Path(done.rejects).read_text().splitlines()]
    assert [(each["file"], each["line"]) for each in told] == [(str(path), 71), (str(path), 301)]
    assert ("a record of 6 fields" if kind == "csv" else "no whole JSON object") in told[0]["reason"]
    assert lines[300].strip() in told[1]["text"]
    with pytest.raises(UnreadableData, match="line 71"):
        score(BatchJob(str(path), str(tmp_path / "strict"), on_bad_row="stop"), bundle)


def test_a_text_among_the_numbers_of_json_is_one_bad_row(
    source: str, table: pa.Table, bundle: Bundle, tmp_path: Path
) -> None:
    """The other rows have the numbers that were written; one number among texts is the level that it spells."""
    path = Path(written(source, table, "jsonl"))
    rows = [json.loads(each) for each in path.read_text().splitlines()]
    rows[3]["amount"], rows[5]["country"] = "much", 7
    path.write_text("".join(f"{json.dumps(each)}\n" for each in rows))
    done = score(BatchJob(str(path), str(tmp_path / "out.parquet")), bundle)
    assert (done.rows, done.refused) == (ROWS - 1, 1)
    assert done.rejects is not None
    told = json.loads(Path(done.rejects).read_text())
    assert (told["row"], told["reason"]) == (4, "Field 'amount' is 'much'; expected a number or null.")
    same = [at for at in range(ROWS) if at not in (3, 5)]
    found = read_table(tmp_path / "out.parquet").column("score").to_pylist()
    assert [*found[:4], *found[5:]] == expected(bundle, table)[same].tolist()


def test_what_cannot_be_scored_is_told_before_anything_is_written(
    source: str, table: pa.Table, bundle: Bundle, tmp_path: Path
) -> None:
    """Lacking columns with near names, names that scoring adds, formats that there are not."""
    output = str(tmp_path / "out.parquet")
    wrong = str(tmp_path / "wrong.parquet")
    pq.write_table(table.rename_columns(["amuont", "country", "visits", "score"]), wrong)
    with pytest.raises(NotScorable, match=r"lacks 1 of the model's 3 fields: amount\..*amuont"):
        score(BatchJob(wrong, output), bundle)
    pq.write_table(table.rename_columns(["amount", "country", "visits", "score"]), wrong)
    with pytest.raises(NotScorable, match=r"has a column 'score', which scoring adds"):
        score(BatchJob(wrong, output), bundle)
    score(BatchJob(wrong, output, keep=("amount",)), bundle)
    with pytest.raises(NotScorable, match="no column 'amont' to keep"):
        score(BatchJob(source, output, keep=("amont",)), bundle)
    with pytest.raises(NotScorable, match="cannot be written as xls"):
        score(BatchJob(source, str(tmp_path / "out.xls")), bundle)
    with pytest.raises(NotScorable, match=r"ftpx://somewhere/out.* cannot be written: Protocol not known"):
        score(BatchJob(source, "ftpx://somewhere/out.parquet"), bundle)


def test_an_output_is_not_written_over_by_mistake(source: str, bundle: Bundle, tmp_path: Path) -> None:
    """But when it is asked for; what another job is writing never."""
    job = BatchJob(source, str(tmp_path / "out.parquet"))
    score(job, bundle)
    with pytest.raises(OutputTaken, match="exists already"):
        score(job, bundle)
    before = (tmp_path / "out.parquet").read_bytes()
    score(BatchJob(source, job.output, force=True), bundle)
    assert (tmp_path / "out.parquet").read_bytes() == before


def test_an_input_without_rows_gives_an_output_without_rows(table: pa.Table, bundle: Bundle, tmp_path: Path) -> None:
    """With its columns."""
    pq.write_table(table.slice(0, 0), tmp_path / "in.parquet")
    done = score(BatchJob(str(tmp_path / "in.parquet"), str(tmp_path / "out.csv")), bundle)
    assert done.rows == 0
    assert (tmp_path / "out.csv").read_text().startswith('"amount","country","visits","customer","prediction"')


def test_progress_tells_rows_and_what_is_expected(source: str, table: pa.Table, bundle: Bundle, tmp_path: Path) -> None:
    """After each part; how long is left follows from the rate. What text holds is told by its size."""
    told: list[Progress] = []
    score(BatchJob(source, str(tmp_path / "out")), bundle, watch=told.append, threads=1)
    assert [each.rows for each in told] == [64, 128, 192, 256, 320, 384, 400]
    assert {each.expected for each in told} == {ROWS}
    for kind in ("csv", "jsonl", "arrow"):
        about = open_source(written(source, table, kind), bundle.info.signature).expected()
        assert about == (None if kind == "arrow" else ROWS)
    assert Progress(100, 20, 400, 10.0).rate == 10.0
    assert Progress(100, 20, 400, 10.0).left_s == 28.0
    assert Progress(100, 0, None, 10.0).left_s is None


class Stop(Exception):
    """What a watcher raises to cut a job off."""


def cut_off(job: BatchJob, bundle: Bundle, after: int, **given: Any) -> None:
    """Score until so many rows are done."""

    def watch(done: Progress) -> None:
        if done.rows >= after:
            raise Stop

    with pytest.raises(Stop):
        score(job, bundle, watch=watch, threads=1, **given)


@pytest.mark.parametrize("output", ["out.parquet", "out.csv", "out", "out.jsonl"])
def test_a_job_that_was_cut_off_goes_on_to_the_same_bytes(
    output: str, table: pa.Table, bundle: Bundle, tmp_path: Path
) -> None:
    """Later, with prediction ids and rejects as they would have been; finished parts are not scored again."""
    table = table.set_column(0, "amount", pa.array([None if at % 50 == 3 else float(at) for at in range(ROWS)]))
    pq.write_table(table, tmp_path / "in.parquet", row_group_size=90)
    source, clock = str(tmp_path / "in.parquet"), ManualClock(NOON)
    whole = BatchJob(source, str(tmp_path / "whole" / output), ids=True)
    score(whole, bundle)
    job = BatchJob(source, str(tmp_path / output), ids=True)
    cut_off(job, bundle, 200, clock=clock)
    clock.advance(timedelta(hours=1))
    with pytest.raises(JobCutOff, match="--resume"):
        score(job, bundle, clock=clock)
    done = score(BatchJob(source, job.output, ids=True, resume=True), bundle, clock=clock)
    assert done.resumed >= 4
    assert (done.read, done.rows) == (ROWS, ROWS - 8)
    assert contents(tmp_path / output) == contents(tmp_path / "whole" / output)
    rejects = [Path(f"{each}.rejects.jsonl").read_bytes() for each in (whole.output, job.output)]
    assert rejects[0] == rejects[1]


def test_a_part_that_a_power_cut_took_is_scored_again(source: str, bundle: Bundle, tmp_path: Path) -> None:
    """Its bytes are not those that were written, or it is gone; the digest tells."""
    output = tmp_path / "out"
    cut_off(BatchJob(source, str(output)), bundle, 200)
    torn, gone, _, unreadable = sorted(LocalWork(output).folder.glob("part-*.parquet"))[:4]
    torn.write_bytes(bytes(torn.stat().st_size))
    gone.unlink()
    unreadable.with_suffix(".json").write_bytes(b"")
    before = len(list(LocalWork(output).folder.glob("part-*.json")))
    done = score(BatchJob(source, str(output), resume=True), bundle)
    score(BatchJob(source, str(tmp_path / "whole"), durability="power"), bundle)
    assert done.resumed == before - 3
    assert contents(output) == contents(tmp_path / "whole")


def contents(output: Path) -> dict[str, bytes]:
    """The bytes of a file, or of those of a folder."""
    files = [output] if output.is_file() else sorted(output.iterdir())
    return {each.name: each.read_bytes() for each in files}


def test_a_job_goes_on_only_with_what_it_was_about(
    source: str, table: pa.Table, bundle: Bundle, tmp_path: Path
) -> None:
    """Not with another input, condition or model."""
    output = str(tmp_path / "out")
    cut_off(BatchJob(source, output), bundle, 100)
    with pytest.raises(JobCutOff, match="what is asked for"):
        score(BatchJob(source, output, where="amount > 1", resume=True), bundle)
    with pytest.raises(JobCutOff, match="what is asked for"):
        score(BatchJob(source, output, resume=True), bundle, version="other")
    pq.write_table(table.slice(1), source)
    with pytest.raises(JobCutOff, match="changed: the input"):
        score(BatchJob(source, output, resume=True), bundle)


KILLED = """
import os, signal, sys
from datetime import UTC, datetime
from modelyard.core import ManualClock
from modelyard.inference import load_bundle
from modelyard.scoring import BatchJob, score_batch
from modelyard.scoring.work import LocalWork

folder, source, output, fatal = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
write, left = LocalWork.write, [fatal]

def deadly(self, name, data):
    if left[0] == 0:
        (self.folder / f".{name}.half").write_bytes(data[: len(data) // 2])
        os.kill(os.getpid(), signal.SIGKILL)
    left[0] -= 1
    write(self, name, data)

LocalWork.write = deadly
score_batch(BatchJob(source, output, ids=True, resume=True), load_bundle(folder),
            clock=ManualClock(datetime(2026, 1, 5, 12, tzinfo=UTC)), part_rows=64)
"""
"""Scores, and kills itself in the middle of a write."""


@pytest.mark.parametrize("fatal", [2, 7])
def test_a_killed_job_goes_on_to_the_same_bytes(
    fatal: int, source: str, built: BuiltBundle, bundle: Bundle, tmp_path: Path
) -> None:
    """By SIGKILL, in the middle of a write, while other threads write too; nothing is lost, nothing twice."""
    output = str(tmp_path / "out.parquet")
    command = [sys.executable, "-c", KILLED, str(built.path), source, output, str(fatal)]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    assert not Path(output).exists()
    done = score(BatchJob(source, output, ids=True, resume=True), bundle)
    score(BatchJob(source, str(tmp_path / "whole.parquet"), ids=True), bundle)
    assert done.rows == ROWS
    assert Path(output).read_bytes() == (tmp_path / "whole.parquet").read_bytes()
    assert len(set(read_table(output).column("prediction_id").to_pylist())) == ROWS


def test_parts_may_be_tasks_of_other_processes(
    source: str, table: pa.Table, built: BuiltBundle, bundle: Bundle, tmp_path: Path
) -> None:
    """With the same bytes as threads give, of files that tell their rows and of those that do not."""
    folder = tmp_path / "in"
    folder.mkdir()
    Path(source).rename(folder / "a.parquet")
    written(str(folder / "a.parquet"), table, "arrow")
    make: Callable[[str], BatchJob] = lambda name: BatchJob(str(folder), str(tmp_path / name), ids=True)  # noqa: E731
    score(make("threads"), bundle)
    with LocalPool(2) as pool:
        done = score(make("tasks"), bundle, spread=Spread(pool, built.path))
    assert (done.read, done.parts) == (2 * ROWS, 14)
    assert contents(tmp_path / "tasks") == contents(tmp_path / "threads")


def test_an_executor_takes_the_next_job_after_one_that_was_cut_off(
    source: str, built: BuiltBundle, bundle: Bundle, tmp_path: Path
) -> None:
    """Nothing of the first is at work when it ends, so that the second, of the same parts, has them to itself."""

    class Stop(Exception):
        pass

    def stop(_: Progress) -> None:
        raise Stop

    score(BatchJob(source, str(tmp_path / "threads")), bundle)
    job = BatchJob(source, str(tmp_path / "tasks"))
    with LocalPool(2) as pool:
        with pytest.raises(Stop):
            score(job, bundle, spread=Spread(pool, built.path), watch=stop)
        assert pool.wait(0) == []
        done = score(replace(job, resume=True), bundle, spread=Spread(pool, built.path))
    assert done.resumed >= 1
    assert contents(tmp_path / "tasks") == contents(tmp_path / "threads")

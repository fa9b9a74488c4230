"""The log of pushed rows: merged as it grows, and read the same before, meanwhile and after."""

import json
import os
import random
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from modelyard.core import Micros
from modelyard.features import MESSAGE, PushLog, SourceUnreadable
from modelyard.features.pushed.compacting import TOGETHER

WRITER = """
import sys
from pathlib import Path
import pyarrow as pa
from modelyard.core import Micros
from modelyard.features import PushLog
log, number = PushLog(Path(sys.argv[1])), int(sys.argv[2])
while True:
    log.append(pa.table({"number": [number, number + 1]}), Micros(number))
    print(number + 1, flush=True)
    number += 2
"""
"""Pushes numbers two at a time, merging now and then, and says how far it is."""


def numbers(log: PushLog) -> list[int]:
    """What was pushed, as it is read."""
    return [value for batch in log.rows(["number"]) for value in batch.column("number").to_pylist()]


def pushed(log: PushLog, first: int, end: int) -> None:
    """Push a number at a time."""
    for number in range(first, end):
        log.append(pa.table({"number": [number]}), Micros(number))


def test_many_pushes_become_few_files_that_read_the_same(tmp_path: Path) -> None:
    """By themselves, in the order in which they came; merged files name what they stand for, and are merged again."""
    log = PushLog(tmp_path / "log")
    count = 12 * TOGETHER + 5
    pushed(log, 0, count)
    assert numbers(log) == list(range(count))
    files = log.files()
    assert len(files) == 6
    assert files[0].name.endswith(".012.parquet")
    assert len([each for each in (tmp_path / "log").iterdir() if each.suffix == ".arrow"]) < TOGETHER
    (batch, *_) = log.rows()
    assert batch.schema.names == ["number", "__pushed_at"]
    assert batch.column("__pushed_at").to_pylist() == list(range(len(batch)))


def test_what_was_merged_does_not_count_while_it_is_there(tmp_path: Path) -> None:
    """A reader keeps the files; the next compaction deletes them."""
    log = PushLog(tmp_path / "log")
    pushed(log, 0, TOGETHER - 1)
    reading = log.rows()
    next(reading)
    pushed(log, TOGETHER - 1, TOGETHER)
    assert len(list((tmp_path / "log").glob("*.arrow"))) == TOGETHER
    assert len(log.files()) == 1
    assert numbers(log) == list(range(TOGETHER))
    assert len(list(reading)) == TOGETHER - 2
    assert log.compact().before == 0
    assert list((tmp_path / "log").glob("*.arrow")) == []
    assert numbers(log) == list(range(TOGETHER))


def test_rows_of_other_types_are_not_merged_with_each_other(tmp_path: Path) -> None:
    """What a push had it keeps; a column that was null throughout takes the type of its neighbours."""
    log = PushLog(tmp_path / "log")
    for number in range(TOGETHER):
        values = pa.array([None] if number % 2 else [number], pa.null() if number % 2 else pa.int64())
        log.append(pa.table({"number": values}), Micros(number))
    assert len(log.files()) == 1
    assert numbers(log) == [None if number % 2 else number for number in range(TOGETHER)]
    for number in range(TOGETHER):
        log.append(pa.table({"number": [f"{number}" if number < TOGETHER // 2 else number]}), Micros(100 + number))
    types = [batch.schema.field("number").type for batch in log.rows()]
    assert types == [pa.int64(), pa.string(), pa.int64()]


def test_types_that_parquet_does_not_keep_stay_as_they_were(tmp_path: Path) -> None:
    """Nothing is lost to be small."""
    log = PushLog(tmp_path / "log")
    span = pa.array([(1, 2, 3)], pa.month_day_nano_interval())
    for number in range(TOGETHER):
        log.append(pa.table({"number": [number], "span": span}), Micros(number))
    assert len(log.files()) == TOGETHER
    assert numbers(log) == list(range(TOGETHER))
    assert not list((tmp_path / "log").glob(".merging*"))


def test_a_damaged_file_is_told_to_readers_and_does_not_stop_pushes(tmp_path: Path) -> None:
    """Whether it is a push or a merged file; nothing is thrown away."""
    log = PushLog(tmp_path / "log")
    pushed(log, 0, 3)
    log.files()[1].write_bytes(b"ARROW1 no more")
    pushed(log, 3, 2 * TOGETHER)
    with pytest.raises(SourceUnreadable, match=r"damaged in .*\.arrow"):
        numbers(log)
    log.files()[1].unlink()
    assert numbers(log) == [0, *range(2, 2 * TOGETHER)]
    merged = next(each for each in log.files() if each.suffix == ".parquet")
    merged.write_bytes(b"PAR1 no more")
    pushed(log, 100, 100 + TOGETHER)
    with pytest.raises(SourceUnreadable, match=r"damaged in .*\.parquet"):
        numbers(log)


def test_a_message_comes_once(tmp_path: Path) -> None:
    """Of equal names the first row stays: in one batch, in two, after a merge, and when the index is lost or broken."""
    log, index = PushLog(tmp_path / "log"), tmp_path / "log" / ".arrived.sqlite"

    def push(*given: tuple[str, int]) -> int:
        table = pa.table({"number": [number for _, number in given]})
        return log.append_messages(table, [name for name, _ in given], Micros(1))

    assert push(("a", 1), ("b", 2), ("a", 3)) == 2
    assert push(("b", 4), ("c", 5)) == 1
    for name in range(TOGETHER):
        assert push((f"m{name}", 6)) == 1
    assert log.files()[0].suffix == ".parquet"
    assert push(("a", 7), ("m3", 7)) == 0
    index.unlink()
    assert push(("a", 8), ("m3", 8)) == 0
    index.write_bytes(b"no database" * 100)
    assert push(("c", 9), ("d", 10)) == 1
    assert numbers(log) == [1, 2, 5, *[6] * TOGETHER, 10]
    log.append(pa.table({"number": [11]}), Micros(2))
    assert [each for batch in log.rows([MESSAGE]) if MESSAGE in batch.schema.names
            for each in batch.column(0).to_pylist()][:3] == ["a", "b", "c"]  # fmt: skip
    assert numbers(log)[-1] == 11


def test_readers_find_every_row_once_while_files_are_merged(tmp_path: Path) -> None:
    """Two writers, merging; each reading is the beginning of what each wrote."""
    log, wrong, ended = PushLog(tmp_path / "log"), list[list[int]](), threading.Event()

    def write(start: int) -> None:
        for number in range(start, start + 100):
            PushLog(tmp_path / "log").append(pa.table({"number": [number]}), Micros(number % 1000))

    def read() -> None:
        while not ended.is_set():
            found = numbers(log)
            for start in (0, 1000):
                part = [each for each in found if start <= each < start + 1000]
                if part != list(range(start, start + len(part))):
                    wrong.append(found)

    writers = [threading.Thread(target=write, args=(start,)) for start in (0, 1000)]
    reader = threading.Thread(target=read)
    for each in (*writers, reader):
        each.start()
    for each in writers:
        each.join()
    ended.set()
    reader.join()
    assert wrong == []
    assert sorted(numbers(log)) == [*range(100), *range(1000, 1100)]


def killed(folder: Path, kills: int) -> None:
    """Kill writers that merge at some moment: every row that was vouched for is there once, and none twice."""
    log, chance, told, start = PushLog(folder), random.Random(3), -1, 0
    for _ in range(kills):
        process = subprocess.Popen(
            [sys.executable, "-c", WRITER, folder, str(start)], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        told = int(process.stdout.readline())
        time.sleep(chance.random() * 0.3)  # the moment is what is tried
        process.kill()
        rest = process.communicate()[0].split()
        told = int(rest[-1]) if rest else told
        found = numbers(log)
        start = found[-1] + 1
        assert found == list(range(start))
        assert start > told
    log.compact()
    assert numbers(log) == list(range(start))
    assert [each.name for each in folder.iterdir() if each.name.startswith(".merging")] == []


def test_killed_writers_lose_nothing_and_repeat_nothing(tmp_path: Path) -> None:
    """While they push and merge."""
    killed(tmp_path / "log", kills=2)


@pytest.mark.soak
@pytest.mark.timeout(3000)
def test_hundreds_of_killed_writers_lose_nothing(tmp_path: Path) -> None:
    """The same, many times."""
    killed(tmp_path / "log", kills=200)


class Killed(BaseException):
    """What a `kill -9` would be, at a step of ours."""


def stopping(monkeypatch: pytest.MonkeyPatch, step: int) -> Iterator[None]:
    """Let the step-th change of the folder fail, and all that follow."""
    done = iter(range(10_000))

    def counted(real: object) -> object:
        def change(*given: object, **named: object) -> object:
            if next(done) >= step:
                raise Killed
            return real(*given, **named)  # type: ignore[operator]  # a function

        return change

    with monkeypatch.context() as patched:
        for owner, name in ((Path, "replace"), (Path, "unlink"), (os, "fsync")):
            patched.setattr(owner, name, counted(getattr(owner, name)))
        yield


def test_a_compaction_that_is_cut_off_anywhere_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At each change it makes of the folder; the next one makes an end of it."""
    steps = 0
    with monkeypatch.context() as patched:
        patched.setattr(PushLog, "_tidy", lambda _: None)
        pushed(PushLog(tmp_path / "whole"), 0, TOGETHER + 3)
    while True:
        folder = Path(shutil.copytree(tmp_path / "whole", tmp_path / str(steps)))
        log = PushLog(folder)
        cut = False
        for _ in stopping(monkeypatch, steps):
            try:
                log.compact()
            except Killed:
                cut = True
        assert numbers(log) == list(range(TOGETHER + 3))
        log.compact()
        assert numbers(log) == list(range(TOGETHER + 3))
        assert len(log.files()) == len(list(folder.glob("[0-9]*"))) == 1
        if not cut:
            break
        steps += 1 if steps < 4 else 11
    assert steps > TOGETHER


def test_merged_files_are_read_by_anybody(tmp_path: Path) -> None:
    """They are plain Parquet, with the names that they stand for in their metadata."""
    log = PushLog(tmp_path / "log")
    pushed(log, 0, TOGETHER)
    (file,) = log.files()
    assert pq.read_table(file, columns=["number"]).column("number").to_pylist() == list(range(TOGETHER))
    assert len(json.loads(pq.read_schema(file).metadata[b"modelyard.merged"])) == TOGETHER

"""Old days go, people are forgotten, damage is found, and parts of the log are queried and written to files."""

from datetime import timedelta
from pathlib import Path

import msgspec
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from modelyard.core import InvalidInput, ManualClock, to_micros
from modelyard.history import CatalogDamaged, ExportExists, InvalidQuery, LogDamaged, RetentionSettings, write_batches
from modelyard.journal import REDACTED, Generated, OutcomeRecord, TruthRecord

from .samples import Yard, prediction

DAY = timedelta(days=1)


@pytest.fixture
def yard(tmp_path: Path, clock: ManualClock) -> Yard:
    """A log of ten days, sealed: an answer, its truth and an outcome a day, and one answer more that is not sealed."""
    yard = Yard(tmp_path, clock)
    for day in range(10):
        at = clock.now() - day * DAY
        micros = to_micros(at)
        truth = TruthRecord(f"p{day}", "d", day % 2, micros, micros, micros)
        yard.journal.append([prediction(f"p{day}", at), truth, OutcomeRecord("d", "e", "bought", day, micros, micros)])
        yard.journal.rotate()
    yard.log.seal()
    yard.append("open")
    return yard


def test_old_days_are_deleted_and_nothing_else(yard: Yard) -> None:
    """Whole files, each family by its own rule, and what is kept for ever stays."""
    before = set(yard.files)
    done = yard.log.retire(RetentionSettings(predictions=4 * DAY, outcomes=2 * DAY))
    assert done.families == {"predictions": 5, "outcomes": 7}
    assert (done.files, done.records) == (12, 12)
    assert sorted(yard.seen()) == ["open", "p0", "p1", "p2", "p3", "p4"]
    assert len(yard.log.truths("d")) == 10
    assert len(yard.log.outcomes("d")) == 3
    assert len(before - set(yard.files)) == 12
    assert yard.log.retire(RetentionSettings(predictions=4 * DAY)).files == 0
    assert yard.log.retire(RetentionSettings()).files == 0


def test_who_is_redacted_is_in_no_file_any_more(yard: Yard) -> None:
    """Answers, scores and labels stay; what a living writer still holds is counted, and goes the next time."""
    bytes_before = b"".join(each.read_bytes() for each in yard.files)
    done = yard.log.redact(prediction_ids=["p3", "open", "unknown"])
    assert (done.records, done.files, done.waiting, done.damaged) == (1, 1, 1, 0)
    assert yard.log.redact(entities=["e"]).records == 9 + 10
    assert yard.log.redact(entities=["e"], prediction_ids=["p3"]).records == 0
    yard.journal.rotate()
    assert yard.log.redact(entities=["e"]).records == 1
    found = yard.log.predictions("d").to_pylist()
    assert {(each["entity"], each["has_features"], each["feature_0"]) for each in found} == {(REDACTED, False, None)}
    assert {each["scores"][0] for each in found} == {0.5}
    assert len(yard.log.labelled("d")) == 10
    assert set(yard.log.outcomes("d").column("entity").to_pylist()) == {REDACTED}
    assert b"converted" not in bytes_before
    assert yard.log.verify().sound
    assert not list(yard.journal_folder.rglob("*.seg"))


def test_what_was_asked_and_said_goes_with_who_asked(yard: Yard, tmp_path: Path) -> None:
    """No word of it is in a file afterwards; tokens and cost are, and other people's texts."""
    for name, entity, words in (("chat", "e", "my secret"), ("other", "f", "something else")):
        made = Generated(asked=words, said=f"{words}!", question=(0.5,), output_tokens=3, cost_micros=7)
        told = msgspec.json.encode(made).decode()
        answer = prediction(name, yard.clock.now())
        yard.journal.append([msgspec.structs.replace(answer, entity=entity, features=(), generated=told)])
    yard.journal.rotate()
    yard.log.seal()
    assert yard.log.redact(entities=["e"]).damaged == 0
    found = {each["prediction_id"]: each["generated"] for each in yard.log.predictions("d").to_pylist()}
    silent, other = (msgspec.json.decode(found[name], type=Generated) for name in ("chat", "other"))
    assert silent == Generated(output_tokens=3, cost_micros=7)
    assert (other.asked, other.said, other.question) == ("something else", "something else!", (0.5,))
    assert yard.log.verify().sound


def test_verification_finds_what_is_wrong(yard: Yard) -> None:
    """A flipped byte, a file that is gone, a doubled file, a damaged segment; each is named."""
    assert yard.log.verify().sound
    entries = {each.name: each for each in yard.log.files.catalogs.current().of("predictions")}
    first, second, third = sorted(entries)[:3]
    data = bytearray((yard.log_folder / first).read_bytes())
    data[len(data) // 3] ^= 1
    (yard.log_folder / first).write_bytes(data)
    (yard.log_folder / second).unlink()
    (yard.segments[0].path).write_bytes(yard.segments[0].path.read_bytes() + b"\xff" * 40)
    found = yard.another_log().verify()
    assert not found.sound
    assert [each.file for each in found.problems][:2] == [first, second]
    assert "bytes" in found.problems[0].what
    assert "gone" in found.problems[1].what
    assert any(str(yard.journal_folder) in each.file for each in found.problems)
    assert found.doubled == 0
    assert sorted(yard.log.predictions("d", columns=["prediction_id"]).column(0).to_pylist())[0] == "open"
    assert third not in {each.file for each in found.problems}


def test_a_damaged_catalog_is_told_and_costs_no_record_that_is_written_meanwhile(yard: Yard) -> None:
    """Without it nobody knows which files count; segments stay until it is back."""
    (catalog,) = yard.log_folder.glob("catalog-*.json")
    sound = catalog.read_bytes()
    catalog.write_bytes(sound[:-9] + b"123456789")
    yard.journal.rotate()
    with pytest.raises(CatalogDamaged, match="Restore the log's folder"):
        yard.another_log().seal()
    catalog.write_bytes(sound)
    assert len(yard.another_log().predictions("d")) == 11


def test_the_log_is_queried_and_nothing_else_is_touched(yard: Yard, tmp_path: Path) -> None:
    """Sealed or not; one SELECT over the views, which see the files of the selection and no others."""
    with yard.log.duckdb("d") as views:
        assert views.sql("SELECT count(*), sum(feature_0) FROM predictions").read_all().to_pylist()[0] == {
            "count_star()": 11,
            "sum(feature_0)": 11.0,
        }
        assert len(views.sql("SELECT * FROM labelled").read_all()) == 10
        assert views.sql("SELECT * FROM truths", limit=3).read_all().num_rows == 3
        assert "segment" not in views.sql("SELECT * FROM outcomes").schema.names
        for query, what in (
            ("DROP VIEW truths", "one SELECT"),
            ("SELECT 1; SELECT 2", "one SELECT"),
            ("COPY predictions TO 'x.csv'", "one SELECT"),
            ("SELECT nothing FROM predictions", "nothing"),
            ("SELEC", "syntax error"),
            (f"SELECT * FROM read_text('{__file__}')", "disabled"),
            ("SELECT 'x'::INT FROM predictions", "Could not convert"),
        ):
            with pytest.raises(InvalidQuery, match=what):
                views.sql(query).read_all()
    noon = yard.clock.now()
    with yard.log.duckdb("d", start=noon - DAY, end=noon) as views:
        assert views.sql("SELECT prediction_id FROM labelled").read_all().to_pylist() == [{"prediction_id": "p1"}]
    with yard.log.duckdb("nobody") as views:
        assert len(views.sql("SELECT event_us, has_features FROM labelled").read_all()) == 0


def test_a_query_over_a_damaged_file_says_so(yard: Yard) -> None:
    """And where to look."""
    (yard.log_folder / yard.log.files.catalogs.current().of("predictions")[0].name).write_bytes(b"PAR1" * 9)
    with pytest.raises(LogDamaged, match="modelyard log verify"), yard.log.duckdb("d") as views:
        views.sql("SELECT count(*) FROM predictions").read_all()


@pytest.mark.parametrize("suffix", ["parquet", "csv", "jsonl"])
def test_a_part_of_the_log_is_written_to_one_file(yard: Yard, tmp_path: Path, suffix: str) -> None:
    """Whole or not at all, and never over another."""
    output = tmp_path / f"out.{suffix}"
    assert write_batches(yard.log.batches("d", labels=True), output) == 11
    if suffix == "parquet":
        assert pq.read_table(output).column("label").null_count == 1
    elif suffix == "csv":
        table = pyarrow.csv.read_csv(output)
        assert sorted(table.column("prediction_id").to_pylist())[0] == "open"
        assert set(table.column("scores").to_pylist()) == {"[0.5]"}
    else:
        assert len(output.read_text().splitlines()) == 11
    with pytest.raises(ExportExists):
        write_batches(yard.log.batches("d"), output)
    assert {each.name for each in tmp_path.iterdir()} == {"journal", "log", output.name}


def test_an_export_that_cannot_be_written_is_refused(yard: Yard, tmp_path: Path) -> None:
    """An unknown format, a folder that is not there."""
    for name in ("out.xls", "out"):
        with pytest.raises(InvalidInput, match=r"parquet, \.csv, \.jsonl"):
            write_batches(yard.log.batches("d"), tmp_path / name)
    with pytest.raises(InvalidInput, match="no folder"):
        write_batches(yard.log.batches("d"), tmp_path / "none" / "out.csv")

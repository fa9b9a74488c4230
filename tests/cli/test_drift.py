"""`modelyard drift compare`: any two files, a line a column, exit codes that scripts read."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

from modelyard.cli.root import root
from modelyard.core import InvalidInput, ModelyardError


def table(rows: int, seed: int, mean: float = 0.0) -> pa.Table:
    """A number, text, and an instant."""
    random = np.random.default_rng(seed)
    return pa.table({
        "amount": random.normal(mean, 1, rows),
        "country": random.choice(["de", "fr", "it"], rows),
        "at": pa.array(np.arange(rows), pa.timestamp("s")),
    })  # fmt: skip


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Four of them, one as CSV, one too small."""
    pq.write_table(table(3000, 1), tmp_path / "reference.parquet")
    pq.write_table(table(2000, 2), tmp_path / "same.parquet")
    pa.csv.write_csv(table(2000, 3, mean=1.0), tmp_path / "moved.csv")
    pq.write_table(table(20, 4), tmp_path / "few.parquet")
    return tmp_path


def compare(folder: Path, current: str, *flags: str) -> Result:
    """The command, against the reference."""
    given = ["--reference", str(folder / "reference.parquet"), "--current", str(folder / current)]
    return CliRunner().invoke(root, ["drift", "compare", *given, *flags])


def found(result: Result) -> dict[str, Any]:
    """What it printed as JSON, which has no NaN."""

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    document: dict[str, Any] = json.loads(result.stdout, parse_constant=refuse)
    return document


@pytest.mark.parametrize(
    ("current", "code", "verdict"),
    [("same.parquet", 0, "pass"), ("moved.csv", 3, "fail"), ("few.parquet", 6, "inconclusive")],
)
def test_the_exit_code_tells_the_verdict(files: Path, current: str, code: int, verdict: str) -> None:
    """0 no drift, 3 drift, 6 too little data; whether for people or as JSON."""
    shown = compare(files, current, "--json")
    assert shown.exit_code == code
    assert (found(shown)["verdict"], found(shown)["drifted"]) == (verdict, verdict == "fail")
    assert compare(files, current).exit_code == code


def test_the_json_has_the_promised_keys(files: Path) -> None:
    """Of every column, whatever its kind; those that a kind does not have are null."""
    document = found(compare(files, "moved.csv", "--json"))
    assert {"drifted", "share", "columns", "multivariate"} <= set(document)
    assert (document["share"], set(document["columns"])) == (0.5, {"amount", "country"})
    keys = {
        "kind", "statistic", "method", "p_value", "psi", "ks", "js", "wasserstein", "chi2", "verdict", "reason",
        "new_levels", "missing_ref", "missing_cur",
    }  # fmt: skip
    amount, country = document["columns"]["amount"], document["columns"]["country"]
    assert keys <= set(amount)
    assert keys <= set(country)
    assert (amount["kind"], amount["verdict"], amount["chi2"]) == ("number", "fail", None)
    assert (country["kind"], country["verdict"], country["ks"]) == ("category", "pass", None)
    assert document["multivariate"]["auc"] > 0.65
    assert document["skipped"]["at"].startswith("instants")


def test_the_table_says_why(files: Path) -> None:
    """The drifted column first, with its statistic and its threshold."""
    lines = compare(files, "moved.csv").stdout.splitlines()
    assert "amount" in lines[1]
    assert "drift" in lines[1]
    assert "above" in compare(files, "moved.csv").stdout
    assert "All columns together: drift" in compare(files, "moved.csv").stdout


def test_columns_threshold_and_method_decide(files: Path) -> None:
    """Only the column asked for, in one argument or several; a threshold beyond the shift passes."""
    assert compare(files, "moved.csv", "--columns", "country").exit_code == 0
    named = found(
        compare(files, "moved.csv", "--columns", "country,amount", "--threshold", "3", "--no-multivariate", "--json")
    )
    assert (named["verdict"], list(named["columns"]), named["multivariate"]) == ("pass", ["country", "amount"], {})
    by_method = found(compare(files, "moved.csv", "--method", "wasserstein", "--json"))
    assert by_method["columns"]["amount"]["method"] == "wasserstein"


def test_the_page_opens_offline_and_escapes(files: Path) -> None:
    """Nothing is fetched; a column's name is text."""
    odd = table(2000, 5).rename_columns(["<script>alert(1)</script>", "country", "at"])
    pq.write_table(odd, files / "odd.parquet")
    command = ["drift", "compare", "--reference", str(files / "odd.parquet"), "--current", str(files / "odd.parquet")]
    assert CliRunner().invoke(root, [*command, "--html", str(files / "page.html")]).exit_code == 0
    page = (files / "page.html").read_text()
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert page.count("<svg") == 2
    assert "default-src 'none'" in page


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (["--columns", "amonut"], "no column 'amonut'"),
        (["--method", "kss"], "no method 'kss'"),
        (["--threshold", "-1"], "threshold of -1"),
        (["--threshold", "nan"], "threshold of nan"),
    ],
)
def test_what_cannot_be_used_is_said(files: Path, flags: list[str], told: str) -> None:
    """As invalid input, which ends with 2."""
    result = compare(files, "same.parquet", *flags)
    assert isinstance(result.exception, InvalidInput)
    assert told in result.exception.message


def test_files_that_are_not_there_or_no_data_are_said(files: Path) -> None:
    """Neither ends in a traceback; the page may not take the place of the data."""
    (files / "bad.parquet").write_bytes(b"PAR1nothing")
    for name in ("absent.csv", "bad.parquet"):
        assert isinstance(compare(files, name).exception, ModelyardError)
    over = compare(files, "same.parquet", "--html", str(files / "same.parquet"))
    assert isinstance(over.exception, InvalidInput)

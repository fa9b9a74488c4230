"""While the demonstration keeps serving, its report and summary are pages on loopback; nothing else is."""

import urllib.error
import urllib.request
from pathlib import Path

import pytest

from modelyard.demo.pages import pages


def test_the_report_and_the_summary_are_pages(tmp_path: Path) -> None:
    """At the root and by name, with their types, until the block ends."""
    (tmp_path / "report.html").write_text("<h1>Ein Jahr für alle</h1>", encoding="utf-8")
    (tmp_path / "summary.json").write_text("{}")
    with pages(tmp_path) as address:
        for path, kind in (("", "text/html"), ("report.html", "text/html"), ("summary.json?x=1", "application/json")):
            with urllib.request.urlopen(address + path, timeout=5) as answer:
                assert answer.headers.get_content_type() == kind
        with urllib.request.urlopen(address, timeout=5) as answer:
            assert "für alle" in answer.read().decode()
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(address, timeout=5)


@pytest.mark.parametrize("path", ["secret.txt", "../secret.txt", "%2e%2e/secret.txt", ".modelyard/records.db"])
def test_no_other_file_can_be_had(tmp_path: Path, path: str) -> None:
    """Whatever the path spells, it never reaches the file system."""
    (tmp_path / "secret.txt").write_text("secret")
    with pages(tmp_path) as address, pytest.raises(urllib.error.HTTPError, match="404") as caught:
        urllib.request.urlopen(address + path, timeout=5)
    caught.value.close()

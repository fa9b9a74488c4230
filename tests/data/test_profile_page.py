"""The page is whole, quiet and safe: nothing fetched, nothing run, every value escaped."""

import re
from html.parser import HTMLParser

import pyarrow as pa
import pytest

from modelyard.data import profile, profile_page
from modelyard.data.profile import page as paging

HOSTILE = "</title><script>alert(1)</script>\"'><img src=x onerror=alert(2)>"


class Elements(HTMLParser):
    """Every element of a page with its attributes, and the text between."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def page_of(table: pa.Table, title: str = "bookings") -> str:
    """The page of a table's profile."""
    return profile_page(profile(table.schema, table.to_batches()), title)


@pytest.fixture(scope="module")
def page() -> str:
    """A page of data that wants to break out of it, in every place where data can stand."""
    names = {f"{HOSTILE} {kind}": values for kind, values in {
        "text": [HOSTILE, HOSTILE, "b", None] * 5, "number": list(range(20)), "other": [[HOSTILE]] * 20,
        "twin": [each * 2 for each in range(20)],
    }.items()}  # fmt: skip
    return page_of(pa.table(names), HOSTILE)


def test_what_data_says_is_never_run(page: str) -> None:
    """No element and no attribute comes from a name or a value; all of it can be read."""
    elements = Elements(page)
    assert {tag for tag, _ in elements.found} & {"script", "img", "iframe", "object", "link"} == set()
    assert [name for _, given in elements.found for name in given if name.startswith("on")] == []
    assert elements.text.count(HOSTILE) > 5


def test_the_page_asks_nothing_of_anyone(page: str) -> None:
    """Neither by address nor by style; the browser is told so too."""
    elements = Elements(page)
    assert [name for _, given in elements.found for name in given if name in ("src", "href", "srcset")] == []
    assert re.search(r"https?:|url\(|@import", page) is None
    policy = [given["content"] for tag, given in elements.found if tag == "meta" and "http-equiv" in given]
    assert policy == ["default-src 'none'; style-src 'unsafe-inline'"]


def test_pictures_say_what_they_show(page: str) -> None:
    """To those who cannot see them."""
    pictures = [given for tag, given in Elements(page).found if tag == "svg"]
    assert len(pictures) == 2
    assert {given["role"] for given in pictures} == {"img"}
    assert all("half of the values lie below" in str(given["aria-label"]) for given in pictures)


def test_a_page_of_nothing_is_a_page() -> None:
    """No rows, no columns, all missing."""
    for table in (pa.table({}), pa.table({"a": pa.nulls(2)}), pa.table({"a": pa.array([], pa.float64())})):
        assert page_of(table).rstrip().endswith("</html>")


def test_a_page_of_very_many_columns_shows_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """And says so."""
    monkeypatch.setattr(paging, "DRAWN", 5)
    page = page_of(pa.table({f"c{at}": [1.0, 2.0] for at in range(8)}))
    assert page.count("<article") == 5
    assert "The first 5 of 8" in page

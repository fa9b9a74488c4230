"""Files become text whose offsets are those of the file."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelyard.core import InvalidInput, NotFound
from modelyard.llm import UnreadableDocument, read_source
from modelyard.llm.read import _of_html, plain, sources_in

from .conftest import PAGE
from .pdf import pdf_of


def test_of_html_the_markup_is_blanked_in_place(documents: Path) -> None:
    """Every character that is left stands where it stood; references become what they mean; code and style go."""
    source = read_source("plants.html", documents / "plants.html")
    assert len(source.text) == len(PAGE)
    assert plain(source.text) == "An oak grows for 300 years. Salt & water harm it."
    assert source.title == "Plants & trees"
    start = source.text.index("Salt")
    assert PAGE[start : start + 20] == "Salt &amp; water har"


@settings(max_examples=150, deadline=None)
@given(st.text(alphabet="ab<>/&;#p x'\"!-\n=é🙂", max_size=60))
def test_no_html_moves_a_character(written: str) -> None:
    """Whatever it is: as long as before, and letters are kept only where they were."""
    _, text = _of_html(written)
    assert len(text) == len(written)
    assert all(kept == before for kept, before in zip(text, written, strict=True) if kept in "abxé🙂")


def test_markdown_is_called_by_its_first_heading(documents: Path) -> None:
    """Other text by its file's name; text is kept as it is written."""
    source = read_source("animals.md", documents / "animals.md")
    assert source.title == "Animals"
    assert source.text.startswith("# Animals\n")
    assert read_source("x", documents / "staff" / "salaries.txt").title == "salaries"


def test_pdf_is_read_page_by_page(tmp_path: Path) -> None:
    """A form feed stands between two pages."""
    path = tmp_path / "two pages.pdf"
    path.write_bytes(pdf_of(["The first page.", "And the second."]))
    source = read_source("two pages.pdf", path)
    assert [plain(page) for page in source.text.split("\f")] == ["The first page.", "And the second."]


@pytest.mark.parametrize(
    ("name", "data"),
    [("a.txt", b"\xff\xfe"), ("a.png", b""), ("a.pdf", b"no pdf"), ("b.pdf", b"%PDF-1.4\nxref\n0 1\ntrailer\n<<>>")],
)
def test_what_cannot_be_read_is_named(tmp_path: Path, name: str, data: bytes) -> None:
    """With its path, and what to do."""
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(UnreadableDocument, match=name) as told:
        read_source(name, path)
    assert told.value.remedy


def test_sources_are_called_by_their_path_below_the_folder(documents: Path) -> None:
    """What is of no kind that is read is passed over in a folder; two of one name are refused."""
    assert list(sources_in([documents])) == ["animals.md", "plants.html", "staff/salaries.txt"]
    assert list(sources_in([documents / "animals.md", documents / "staff"])) == ["animals.md", "salaries.txt"]
    (documents / "salaries.txt").write_text("other")
    with pytest.raises(InvalidInput, match=r"Two sources are called 'salaries\.txt'"):
        sources_in([documents / "staff", documents / "salaries.txt"])
    with pytest.raises(NotFound, match="nowhere"):
        sources_in([Path("nowhere")])

"""From a file to text whose offsets are true: text, Markdown, HTML, PDF."""

import re
from dataclasses import dataclass
from html import unescape
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path

from modelyard.core import Digest, InvalidInput, NotFound, digest_of

from .errors import NoTextLibrary, UnreadableDocument

KINDS = {
    ".txt": "text", ".md": "markdown", ".markdown": "markdown", ".html": "html", ".htm": "html", ".pdf": "pdf",
}  # fmt: skip
"""What is read, by the ending of a file's name."""

_LARGEST = 64 << 20
_UNSEEN = {"script", "style", "template", "noscript", "head"}
_HEADING = re.compile(r"^\s{0,3}#{1,6}\s+(.+?)\s*#*\s*$", re.MULTILINE)
_BETWEEN = re.compile(r"\n\s*\n")


@dataclass(frozen=True)
class Source:
    """A file as text. `name` is what it is called in an index; `text` has the characters that spans count."""

    name: str
    digest: Digest
    title: str
    text: str


def sources_in(places: list[Path]) -> dict[str, Path]:
    """The files that can be read at these files and folders, by what an index calls them, in order.

    A file is called by its name, one in a folder by its path below that. InvalidInput when two are called alike.
    """
    found: dict[str, Path] = {}
    for place in places:
        if not place.exists():
            raise NotFound(f"There is no file or folder {place}.", code="NO_SOURCE", remedy="Name what is to be read.")
        under = sorted(each for each in place.rglob("*") if each.is_file()) if place.is_dir() else [place]
        for path in under:
            if place.is_dir() and path.suffix.lower() not in KINDS:
                continue
            name = path.relative_to(place).as_posix() if place.is_dir() else path.name
            if name in found and found[name] != path:
                raise InvalidInput(
                    f"Two sources are called '{name}': {found[name]} and {path}.",
                    code="TWO_SOURCES",
                    remedy="Give the folder above both.",
                )
            found[name] = path
    return dict(sorted(found.items()))


def read_source(name: str, path: Path) -> Source:
    """A file as text; UnreadableDocument for other kinds, for what is no UTF-8, and for PDFs that cannot be read."""
    kind = KINDS.get(path.suffix.lower())
    if kind is None:
        raise UnreadableDocument(
            f"{path} is of no kind that is read.", remedy=f"Kinds, by the ending: {', '.join(KINDS)}."
        )
    if path.stat().st_size > _LARGEST:
        raise UnreadableDocument(f"{path} is larger than {_LARGEST >> 20} MB.", remedy="Split it.")
    data = path.read_bytes()
    digest = digest_of(data)
    if kind == "pdf":
        return Source(name, digest, path.stem, _of_pdf(path, data))
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UnreadableDocument(f"{path} is no text in UTF-8: {error}.", remedy="Convert it to UTF-8.") from error
    if kind == "html":
        title, text = _of_html(text)
        return Source(name, digest, title or path.stem, text)
    heading = _HEADING.search(text) if kind == "markdown" else None
    return Source(name, digest, heading.group(1) if heading else path.stem, text)


def plain(text: str) -> str:
    """A stretch of a source as it is read: runs of blanks made one, and the end of a line between paragraphs."""
    return "\n".join(words for paragraph in _BETWEEN.split(text) if (words := " ".join(paragraph.split())))


def _of_html(written: str) -> tuple[str, str]:
    """The title, and the page with its markup blanked: as many characters, each where it was."""
    parser = _Blanking(written)
    parser.feed(written)
    parser.close()
    return plain(parser.title), "".join(parser.kept)


class _Blanking(HTMLParser):
    """Keeps the characters that a reader sees; references become the character and blanks."""

    def __init__(self, written: str) -> None:
        super().__init__(convert_charrefs=False)
        self._lines = [0]
        for at, character in enumerate(written):
            if character == "\n":
                self._lines.append(at + 1)
        self._unseen: list[str] = []
        self._titled = False
        self.kept = ["\n" if each == "\n" else " " for each in written]
        self.title = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002 - the parser's
        self._titled = tag == "title" and not self.title
        if tag in _UNSEEN:
            self._unseen.append(tag)

    def handle_endtag(self, tag: str) -> None:
        self._titled = False
        if tag in self._unseen:
            del self._unseen[self._unseen.index(tag) :]

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """An element without content hides nothing."""

    def handle_data(self, data: str) -> None:
        self._keep(data, data)

    def handle_entityref(self, name: str) -> None:
        self._refer(f"&{name}")

    def handle_charref(self, name: str) -> None:
        self._refer(f"&#{name}")

    def _refer(self, written: str) -> None:
        meant = unescape(f"{written};")
        self._keep(meant if len(meant) <= len(written) else written, meant)

    def _keep(self, data: str, titled: str) -> None:
        if self._titled:
            self.title += titled
        if self._unseen:
            return
        line, column = self.getpos()
        start = self._lines[line - 1] + column
        self.kept[start : start + len(data)] = data


def _of_pdf(path: Path, data: bytes) -> str:
    """The text of all pages, a form feed between two."""
    try:
        from pypdf import PdfReader  # noqa: PLC0415 - an extra
        from pypdf.errors import PyPdfError  # noqa: PLC0415 - as above
    except ImportError as error:
        raise NoTextLibrary(
            "PDFs are read by pypdf, which is not installed.", remedy="pip install 'modelyard[llm]'"
        ) from error
    try:
        return "\f".join(page.extract_text() for page in PdfReader(BytesIO(data)).pages)
    except (PyPdfError, ValueError, KeyError, TypeError, AttributeError, RecursionError, OSError) as error:
        raise UnreadableDocument(
            f"{path} cannot be read as PDF: {type(error).__name__}: {str(error)[:200]}.",
            remedy="Open it and print it to PDF again, or give its text.",
        ) from error

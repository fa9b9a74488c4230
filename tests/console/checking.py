"""What a page of HTML must have, whoever reads it: labels, headings, landmarks, nothing from elsewhere."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from itertools import pairwise

_VOID = frozenset(
    ["area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"]
)
_SVG_VOID = frozenset(["path", "rect", "circle", "line", "use", "stop"])


class Reader(HTMLParser):
    """Collects what the checks ask about."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.labels: set[str] = set()
        self.inside_label = 0
        self.unlabelled: list[str] = []
        self.nameless: list[str] = []
        self.scripts: list[str] = []
        self._open: list[str] = []
        self._named: list[tuple[str, str]] = []
        self.unbalanced: list[str] = []
        self.feed(text)
        self.unbalanced += self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        self.tags.append((tag, found))
        if tag == "label":
            self.labels.add(found.get("for", ""))
            self.inside_label += 1
        if tag in ("a", "button", "summary", "option", "h1", "h2", "h3"):
            self._named.append((tag, found.get("aria-label", "")))
        needs = tag in ("input", "select", "textarea") and found.get("type") != "hidden"
        if needs and not self.inside_label and not found.get("aria-label") and found.get("id") not in self.labels:
            self.unlabelled.append(f"{tag} {found}")
        if tag not in _VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        if self._open and self._open[-1] == tag:
            self._open.pop()
        else:
            self.unbalanced.append(tag)
        if tag == "label":
            self.inside_label -= 1
        if self._named and self._named[-1][0] == tag:
            kind, name = self._named.pop()
            if not name.strip():
                self.nameless.append(kind)

    def handle_data(self, data: str) -> None:
        if self._named:
            kind, name = self._named[-1]
            self._named[-1] = (kind, name + data)
        if self._open and self._open[-1] == "script":
            self.scripts.append(data)

    def of(self, tag: str) -> list[dict[str, str]]:
        """The attributes of every element of a name."""
        return [found for name, found in self.tags if name == tag]


def flaws(text: str) -> Iterator[str]:
    """What is wrong with a page; nothing when all is well."""
    page = Reader(text)
    yield from (f"unlabelled: {each}" for each in page.unlabelled)
    yield from (f"without a name: {each}" for each in page.nameless)
    yield from (f"not closed or not opened: {each}" for each in page.unbalanced)
    yield from _structure(page)
    yield from _elsewhere(page)
    if re.search(r"url\(\s*['\"]?(https?:)?//|@import", text):
        yield "a style leads elsewhere"


def _structure(page: Reader) -> Iterator[str]:
    if [each.get("lang") for each in page.of("html")] != ["en"]:
        yield "the page says no language"
    yield from (f"no {landmark}" for landmark in ("main", "nav", "header") if not page.of(landmark))
    if len(page.of("h1")) != 1:
        yield f"{len(page.of('h1'))} headings of the first order"
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch("h[1-6]", tag)]
    if any(later > earlier + 1 for earlier, later in pairwise(levels)):
        yield f"headings skip a level: {levels}"
    names = [found["id"] for _, found in page.tags if "id" in found]
    yield from (f"the id {each} is there twice" for each in sorted({each for each in names if names.count(each) > 1}))
    if len(page.of("table")) != len(page.of("caption")):
        yield "a table has no caption"


def _elsewhere(page: Reader) -> Iterator[str]:
    for found in page.of("script"):
        if "src" not in found and found.get("type") != "application/json":
            yield "a script stands in the page"
    for tag, found in page.tags:
        yield from (f"{tag} has {name}" for name in found if name.startswith("on"))
        for name in ("src", "href", "action", "poster", "data"):
            if re.match(r"(https?:)?//", found.get(name, "")):
                yield f"{tag} leads elsewhere: {found[name]}"


def colours(css: str) -> dict[str, dict[str, str]]:
    """The colours of a style sheet by theme: those of `:root`, and of `[data-theme="dark"]` over them."""
    blocks = {
        "light": re.search(r"^:root \{(.*?)\}", css, re.DOTALL | re.MULTILINE),
        "dark": re.search(r'^:root\[data-theme="dark"\] \{(.*?)\}', css, re.DOTALL | re.MULTILINE),
        "dark by the system": re.search(r':root:not\(\[data-theme="light"\]\) \{(.*?)\}', css, re.DOTALL),
    }
    found = {}
    for theme, block in blocks.items():
        assert block is not None, theme
        found[theme] = dict(re.findall(r"--([\w-]+):\s*(#[0-9a-fA-F]{3,8})", block[1]))
    return found


def contrast(first: str, second: str) -> float:
    """The contrast ratio of two colours, 1 to 21 (WCAG 2.2, relative luminance)."""
    bright, dim = sorted((_luminance(first), _luminance(second)), reverse=True)
    return (bright + 0.05) / (dim + 0.05)


def _luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue

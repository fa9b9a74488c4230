"""The site of the pages: all of them are in it, its links lead somewhere, and it asks nothing of a network."""

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path, PurePosixPath

import pytest
import yaml
from docs.site_build import OWN, github_anchor, relinked

from .markdown import PAGES, REPOSITORY, anchors, blocks

DOCS = REPOSITORY / "docs"


class Asked(HTMLParser):
    """What a page makes a browser fetch by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Links that a reader may follow are none."""
        told = dict(attrs)
        name = {"link": "href", "a": None}.get(tag, "src")
        if name is not None and (target := told.get(name)):
            self.found.append(target)


def asked(html: str) -> list[str]:
    """The addresses beyond the site that a page fetches, in the order of the page."""
    parser = Asked()
    parser.feed(html)
    return [each for each in parser.found if re.match(r"(\w+:)?//", each)]


def named_in(nav: object) -> list[str]:
    """The pages of a navigation as it is written."""
    if isinstance(nav, str):
        return [nav]
    return [page for each in (nav.values() if isinstance(nav, dict) else nav) for page in named_in(each)]  # type: ignore[attr-defined]  # lists and mappings alone


def test_every_page_of_the_navigation_exists_once() -> None:
    """`FOLDER/*` stands for the rest of a folder, which then needs no line of its own."""
    named = named_in(yaml.safe_load((REPOSITORY / "mkdocs.yml").read_text())["nav"])
    assert sorted(set(named)) == sorted(named)
    pages = [each for each in named if not each.endswith("/*") and each not in OWN.values()]
    assert [each for each in pages if not (DOCS / each).is_file()] == []


def test_every_page_is_in_the_navigation() -> None:
    """By its name, or by that of its folder."""
    named = named_in(yaml.safe_load((REPOSITORY / "mkdocs.yml").read_text())["nav"])
    folders = {each.removesuffix("/*") for each in named if each.endswith("/*")}
    pages = [page.relative_to(DOCS) for page in DOCS.rglob("*.md")]
    missing = [each for each in pages if each.as_posix() not in named and each.parent.as_posix() not in folders]
    assert missing == []


def test_links_of_the_repositorys_own_pages_lead_into_the_site() -> None:
    """What is not in it becomes words; code stays as it is."""
    known = {"index.md", "how-to/roll-out.md", "adr/0001-own-features-engine.md"}
    text = "[roll](docs/how-to/roll-out.md#by-hand) [code](examples/minimal/) `[x](docs/y.md)` [out](https://a.example)"
    said = "[roll](how-to/roll-out.md#by-hand) code `[x](docs/y.md)` [out](https://a.example)"
    assert relinked(text, PurePosixPath("README.md"), known) == said
    back = relinked("[front](../../README.md#two-commands)", PurePosixPath("docs/how-to/roll-out.md"), known)
    assert back == "[front](../index.md#two-commands)"


def test_anchors_are_those_of_github() -> None:
    """As the tests of links know them."""
    title = "What `rules` may speak of: 3, say"
    assert {github_anchor(title.replace("`", ""), "-")} == anchors(f"# {title}")


def test_no_page_needs_a_renderer_that_would_come_from_elsewhere() -> None:
    """Pictures are files; Mermaid would need a script."""
    assert [page.name for page in PAGES if any(each.language == "mermaid" for each in blocks(page.read_text()))] == []


def test_what_a_page_fetches_is_found() -> None:
    """Scripts, styles, pictures and frames, not links to follow."""
    html = '<a href="https://a.example"></a><link href="//b.example/x.css"><img src="http://c.example/x"><img src="x">'
    assert asked(html) == ["//b.example/x.css", "http://c.example/x"]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built as `make site` does: a warning ends it."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    result = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout + result.stderr) == (0, "")
    return folder


@pytest.mark.long
def test_the_site_is_built_without_a_warning_and_has_every_page(site: Path) -> None:
    """A link that leads nowhere, in the site or to a heading, would be one."""
    pages = {each.relative_to(DOCS).with_suffix(".html").as_posix() for each in DOCS.rglob("*.md")}
    built = {each.relative_to(site).as_posix() for each in site.rglob("*.html")}
    assert pages | {Path(each).with_suffix(".html").as_posix() for each in OWN.values()} <= built


@pytest.mark.long
def test_the_site_asks_nothing_of_a_network(site: Path) -> None:
    """No script, style, font or picture comes from elsewhere, and what is fetched is there."""
    outside = {each.name: found for each in site.rglob("*.html") if (found := asked(each.read_text()))}
    assert outside == {}
    styles = [each.read_text(errors="replace") for each in site.rglob("*.css")]
    assert styles
    assert [found for text in styles for found in re.findall(r"url\([\"']?(?:https?:)?//[^)]*\)", text)] == []

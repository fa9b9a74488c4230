"""What `make site` does beside MkDocs: the repository's own pages go in, links out of the documentation become text.

MkDocs calls the functions by their names (https://www.mkdocs.org/user-guide/plugins/#events).
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

REPOSITORY = Path(__file__).parents[1]
OWN = {"README.md": "index.md", "CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}
"""Pages of the repository that are no part of `docs`, and what they are called in the site."""

_LINK = re.compile(r"(?<!!)\[(?P<words>[^\]]*)\]\((?P<target>[^)\s]+)\)")
_REMARK = re.compile(r"^<!--.*?-->\n+", flags=re.MULTILINE)
_CODE = re.compile(r"^```.*?^```|`[^`\n]+`", flags=re.MULTILINE | re.DOTALL)


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Anchors are GitHub's, and the navigation is written out."""
    config.mdx_configs.setdefault("toc", {})["slugify"] = github_anchor
    named = set(_pages(config.nav))
    config.nav = _written_out(config.nav, named, Path(config.docs_dir))
    return config


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """The repository's own pages are among them."""
    for source, name in OWN.items():
        files.append(File.generated(config, name, content=(REPOSITORY / source).read_text(encoding="utf-8")))
    return files


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:  # noqa: ARG001 - MkDocs names it
    """Links lead to where pages are in the site; those to files that are not in it become their words.

    Remarks for tests are left out: in front of the heading they would hide it.
    """
    at = next((source for source, name in OWN.items() if name == page.file.src_uri), f"docs/{page.file.src_uri}")
    markdown = _REMARK.sub("", markdown)
    return relinked(markdown, PurePosixPath(at), {each.src_uri for each in files})


def relinked(markdown: str, at: PurePosixPath, known: set[str]) -> str:
    """A page's text, `at` a path in the repository, for a site that has the `known` files."""
    here = PurePosixPath(OWN.get(str(at), str(at).removeprefix("docs/")))

    def link(match: re.Match[str]) -> str:
        path, sign, anchor = match["target"].partition("#")
        if not path or "://" in path or path.startswith("mailto:"):
            return match[0]
        target = os.path.normpath(at.parent / path)
        name = OWN.get(target, target.removeprefix("docs/"))
        if name not in known or (target not in OWN and not target.startswith("docs/")):
            return match["words"]
        return f"[{match['words']}]({os.path.relpath(name, here.parent)}{sign}{anchor})"

    inside = [each.span() for each in _CODE.finditer(markdown)]
    return _LINK.sub(
        lambda match: match[0] if any(start <= match.start() < end for start, end in inside) else link(match), markdown
    )


def github_anchor(title: str, separator: str) -> str:
    """The anchor that GitHub makes of a heading, so that links are right in both places."""
    return re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", separator)


def _pages(nav: Any) -> Iterator[str]:
    if isinstance(nav, str):
        yield nav
    elif isinstance(nav, dict):
        for each in nav.values():
            yield from _pages(each)
    else:
        for each in nav:
            yield from _pages(each)


def _written_out(nav: Any, named: set[str], folder: Path) -> Any:
    if isinstance(nav, dict):
        return {name: _written_out(each, named, folder) for name, each in nav.items()}
    if not isinstance(nav, list):
        return nav
    written: list[Any] = []
    for each in nav:
        if isinstance(each, str) and each.endswith("/*"):
            pages = sorted(page.relative_to(folder).as_posix() for page in (folder / each[:-2]).glob("*.md"))
            written += [page for page in pages if page not in named]
        else:
            written.append(_written_out(each, named, folder))
    return written

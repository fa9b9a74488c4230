"""What the tests of the documentation read in a page: code blocks, links, headings."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
PAGES = (REPOSITORY / "README.md", REPOSITORY / "CONTRIBUTING.md", *sorted((REPOSITORY / "docs").rglob("*.md")))

_FENCE = re.compile(r"^```(\w*)\s*$")
_NOT_RUN = re.compile(r"^<!-- not run: (?P<reason>.+) -->$")
_LINK = re.compile(r"\[[^\]]*\]\((?P<target>[^)\s]+)\)")


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, its text, the line (from 1) it begins on, and why it is not run, if so."""

    language: str
    text: str
    line: int
    not_run: str | None


def named(page: Path) -> str:
    """The page's path in the repository, for the ids of tests."""
    return page.relative_to(REPOSITORY).as_posix()


def blocks(text: str) -> Iterator[Block]:
    """The fenced blocks of a page in order."""
    lines, remark = iter(enumerate(text.splitlines(), 1)), None
    for number, line in lines:
        if (fence := _FENCE.match(line)) is not None:
            inside = []
            for _, each in lines:
                if each.startswith("```"):
                    break
                inside.append(each)
            yield Block(fence[1], "\n".join(inside), number, remark)
            remark = None
        elif line.strip():
            marked = _NOT_RUN.match(line)
            remark = marked["reason"] if marked is not None else None


def prose(text: str) -> str:
    """A page without its fenced blocks."""
    return re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)


def code_spans(text: str) -> list[str]:
    """The `code` inside sentences."""
    return re.findall(r"`([^`\n]+)`", prose(text))


def links(text: str) -> list[str]:
    """The targets of links, except those inside code."""
    return [each["target"] for each in _LINK.finditer(re.sub(r"`[^`\n]*`", "", prose(text)))]


def anchors(text: str) -> set[str]:
    """The anchors that GitHub makes of a page's headings."""
    titles = re.findall(r"^#+ (.+)$", prose(text), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}

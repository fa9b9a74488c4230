"""The comparison of shown and printed lines accepts what it should, and nothing else."""

from pathlib import Path

import pytest

from .markdown import Block, anchors, blocks, links
from .session import Session, Typed, prints, typed


@pytest.mark.parametrize(
    ("expected", "output", "same"),
    [
        (["a  b"], "a b\n", True),
        (["a b"], "a b\nc\n", False),
        (["a ... c"], "a lot of b c\n", True),
        (["took … s"], "took 3.4 s\n", True),
        (["first", "...", "last"], "first\nand\nmore\nlast\n", True),
        (["first", "..."], "other\nmore\n", False),
        (["(1.0)"], "(1x0)\n", False),
    ],
)
def test_an_ellipsis_stands_for_anything_and_the_rest_for_itself(expected: list[str], output: str, same: bool) -> None:
    """Spacing does not count; every other character does."""
    assert prints(expected, output) is same


def test_commands_are_read_with_their_exit_code_and_output() -> None:
    """`# exit 5` behind a command is the code expected; without it, 0."""
    text = "$ .venv/bin/modelyard status\nfine\n$ modelyard model show x  # exit 5"
    assert typed(text, "console") == [Typed("modelyard status", 0, ("fine",)), Typed("modelyard model show x", 5, ())]
    assert typed("modelyard status\n\nmake demo", "bash")[1] == Typed("make demo", 0, ())


def test_a_command_that_ends_or_prints_otherwise_is_reported(tmp_path: Path) -> None:
    """A wrong exit code, and a line that is not printed."""
    session = Session(tmp_path)
    session.type(Typed("""echo '{"id": "a b"}'""", 0, ('{"id": "a b"}',)))
    session.type(Typed("""echo '{"id": "…"}'""", 0, ('{"id": "a b"}',)))
    with pytest.raises(AssertionError, match="ended with 3"):
        session.type(Typed("exit 3", 0, ()))
    with pytest.raises(AssertionError, match="and the page shows"):
        session.type(Typed("echo yes", 0, ("no",)))


def test_blocks_links_and_anchors_are_found() -> None:
    """A remark belongs to the block right behind it, and code holds no links."""
    text = "# A *word*, `code`\n<!-- not run: slow -->\n```python\nx = 1\n```\n"
    text += "[a](b.md#c) `[d](e)`\n```text\n[f](g)\n```\n"
    assert list(blocks(text)) == [Block("python", "x = 1", 3, "slow"), Block("text", "[f](g)", 7, None)]
    assert links(text) == ["b.md#c"]
    assert anchors(text) == {"a-word-code"}

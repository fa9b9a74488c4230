"""What people are shown of results: all of it, or so much that they can read it."""

import pytest

from modelyard.cli.show import fields


@pytest.mark.parametrize(("count", "shown"), [(3, "0, 1, 2"), (40, "38, 39"), (384, "18, 19, … and 364 more")])
def test_a_long_list_is_cut_and_says_by_how_much(capsys: pytest.CaptureFixture[str], count: int, shown: str) -> None:
    """Of twice twenty elements twenty are shown; of fewer all."""
    fields({"names": list(range(count))})
    assert capsys.readouterr().out.rstrip().endswith(shown)

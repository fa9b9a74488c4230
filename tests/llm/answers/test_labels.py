"""A judge is trusted where people, enough of them, say what it says."""

from pathlib import Path

import pytest

from modelyard.core import InvalidInput
from modelyard.llm.answers import HumanLabel, calibrate, read_labels
from modelyard.stats import cohen_kappa


def labels(count: int, wrong: int = 0) -> tuple[list[HumanLabel], dict[str, bool]]:
    """Labels of so many items by one person, half of them `pass`; a judge that differs in some."""
    people = [HumanLabel(f"i{at}", "pass" if at % 2 else "fail", "ann") for at in range(count)]
    return people, {each.item: (each.label == "pass") != (at < wrong) for at, each in enumerate(people)}


def test_a_judge_that_agrees_with_enough_labels_is_trusted() -> None:
    """With the kappa that `stats` computes, and its interval."""
    people, judge = labels(60, wrong=3)
    found = calibrate(people, judge)
    expected = cohen_kappa([each.label for each in people], ["pass" if judge[each.item] else "fail" for each in people])
    assert (found.labels, found.agree, found.kappa, found.lower) == (60, 57, expected.value, expected.lower)
    assert (found.untrusted, found.remedy) == ("", "")


@pytest.mark.parametrize(
    ("count", "wrong", "said"), [(49, 0, "49 answers have"), (0, 0, "0 answers have"), (60, 15, "kappa of 0.50")]
)
def test_a_judge_with_few_labels_or_another_opinion_decides_nothing(count: int, wrong: int, said: str) -> None:
    """With why, and what to do; the lower end of the interval decides, not kappa itself."""
    found = calibrate(*labels(count, wrong))
    assert said in found.untrusted
    assert found.remedy
    near = calibrate(*labels(60, wrong=9))
    assert (near.kappa or 0) > 0.6
    assert "the lower end is to be 0.6" in near.untrusted


def test_labels_that_tell_nothing_of_agreement_make_nobody_trusted() -> None:
    """People and judge pass everything: nothing shows that the judge would fail what is bad."""
    people = [HumanLabel(f"i{at}", "pass", "ann") for at in range(80)]
    found = calibrate(people, {each.item: True for each in people})
    assert found.kappa is None
    assert "one and the same" in found.untrusted


def test_of_several_people_most_decide() -> None:
    """A tie is nobody's opinion, a skip says nothing, a person's last word counts, other items are counted apart."""
    told = [
        *(HumanLabel("a", "pass", by) for by in ("ann", "bob")),
        HumanLabel("a", "fail", "eve"),
        HumanLabel("b", "pass", "ann"),
        HumanLabel("b", "fail", "bob"),
        HumanLabel("c", "pass", "ann"),
        HumanLabel("c", "fail", "ann"),
        HumanLabel("d", "skip", "ann"),
        HumanLabel("e", "pass", "ann"),
    ]
    found = calibrate(told, {"a": True, "b": True, "c": False, "d": True})
    assert (found.labels, found.agree, found.ties, found.strange) == (2, 2, 1, 1)


def test_labels_are_read_from_json_lines_and_csv(tmp_path: Path) -> None:
    """The same from either; what else a line says is left alone."""
    (tmp_path / "a.jsonl").write_text(
        '{"item":"x","label":"pass","by":"ann","at":1}\n\n{"item":"y","label":"skip","by":"b"}\n'
    )
    (tmp_path / "a.csv").write_text("by,item,label\nann,x,pass\nb,y,skip\n")
    expected = [HumanLabel("x", "pass", "ann"), HumanLabel("y", "skip", "b")]
    assert read_labels(tmp_path / "a.jsonl") == read_labels(tmp_path / "a.csv") == expected


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.jsonl", '{"item":"x","label":"pass","by":"ann"}\n{"item":"x","label":"good","by":"ann"}', "line 2"),
        ("a.jsonl", '{"item":"x"', "line 1"),
        ("a.csv", "item,label\nx,pass\n", "line 2"),
        ("a.csv", "item,label,by\nx\n", "line 2"),
        ("b.txt", "", "No such file"),
    ],
)
def test_labels_that_are_none_are_refused(tmp_path: Path, name: str, text: str, said: str) -> None:
    """By their lines."""
    if text:
        (tmp_path / name).write_text(text)
    with pytest.raises(InvalidInput, match="no labels that could be read") as told:
        read_labels(tmp_path / name)
    assert said in told.value.message

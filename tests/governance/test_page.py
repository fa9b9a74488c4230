"""The report as a page: everything that was found is on it, nothing is fetched, names are escaped."""

import re
from datetime import UTC, datetime, timedelta

from modelyard.governance import (
    LADDER,
    Evidence,
    InProduction,
    judge_maturity,
    maturity_page,
    review_production,
)

AT = datetime(2026, 1, 5, 12, tzinfo=UTC)
EVIL = "<script>alert(1)</script>"


def page(project: str) -> str:
    """A page of a workspace with one version in production."""
    evidence = [
        Evidence("pipelines.passed", "observed", "runs that passed", 1234, None, AT.isoformat()),
        Evidence("tests.functions", "declared", EVIL, 2),
    ]
    live = [InProduction(project, 1, EVIL, AT.isoformat())]
    found = judge_maturity(evidence, project=project, at=AT.isoformat(), names={"model": EVIL})
    return maturity_page(found, review_production(live, project=project, now=AT, recent=timedelta(days=90)))


def test_level_picture_steps_audit_and_evidence_are_there() -> None:
    """Each capability in the picture and in the table, each step with its command."""
    told = page("bank")
    assert "bank: level 0, manual" in told
    assert all(told.count(each.title) >= 2 for each in LADDER if not each.where)
    assert "modelyard data version add NAME FILE" in told
    assert "1,234" in told
    assert "2026-01-05T12:00:00" in told
    assert "nobody answers for it" in told


def test_nothing_is_fetched_and_names_are_text() -> None:
    """No script, no address; what somebody called a model stays a name."""
    told = page(EVIL)
    assert "<script" not in told
    assert re.findall(r"""(?:src|href|url)\s*[=(]\s*["']?(\w+:)?//""", told) == []


def test_a_page_without_an_audit_stands_too() -> None:
    """Nothing is said of production then."""
    found = judge_maturity([], project="bank", at=AT.isoformat())
    assert "What is in production" not in maturity_page(found)
    empty = review_production([], project="bank", now=AT, recent=timedelta(days=90))
    assert "Nothing is in production." in maturity_page(found, empty)

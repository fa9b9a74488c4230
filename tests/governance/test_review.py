"""The periodic audit: what is in production is reviewed, described, watched, owned and not too old, or it is said."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from modelyard.governance import InProduction, Review, review_production

NOW = datetime(2026, 6, 1, tzinfo=UTC)
WELL = InProduction(
    model="fraud",
    version=3,
    label="v3",
    trained_at="2026-05-01T00:00:00+00:00",
    reviewed_by=("ana",),
    owner="risk",
    intended_use="to stop fraud",
    deployments=("fraud",),
    watched_by=("fraud",),
    windowed_at="2026-05-20T00:00:00+00:00",
)


def reviewed(*found: InProduction) -> Review:
    """The audit of some versions, with 90 days."""
    return review_production(found, project="bank", now=NOW, recent=timedelta(days=90))


def test_what_has_all_passes() -> None:
    """With its name, and nothing lacking."""
    told = reviewed(WELL)
    assert (told.verdict, told.models[0].lacking) == ("pass", ())


@pytest.mark.parametrize(
    ("changes", "what", "why"),
    [
        ({"reviewed_by": ()}, "review", "nobody but its author"),
        ({"intended_use": " "}, "card", "what it is for"),
        ({"deployments": (), "watched_by": ()}, "monitor", "no deployment follows it"),
        ({"deployments": ("fraud", "b")}, "monitor", "no monitor has judged a window of b"),
        ({"windowed_at": "2026-01-01T00:00:00+00:00"}, "monitor", "its newest window ended at 2026-01-01"),
        ({"owner": ""}, "owner", "nobody answers for it"),
        ({"trained_at": "2026-01-01T00:00:00+00:00"}, "retraining", "it is 151 days old, and governance.recent is 90d"),
    ],
)
def test_each_thing_that_is_lacking_is_said(changes: dict[str, object], what: str, why: str) -> None:
    """By name, with the reason, and with what to type or to write."""
    told = reviewed(WELL, msgspec.structs.replace(WELL, version=4, **changes))
    assert told.verdict == "fail"
    assert told.models[0].lacking == ()
    (lacking,) = told.models[1].lacking
    assert lacking.what == what
    assert why in lacking.why
    assert "fraud" in lacking.next or "b in modelyard.yaml" in lacking.next


def test_the_limit_itself_is_recent_enough() -> None:
    """90 days are, and a second more is not."""
    at = NOW - timedelta(days=90)
    for trained, lacking in ((at, 0), (at - timedelta(seconds=1), 1)):
        told = reviewed(msgspec.structs.replace(WELL, trained_at=trained.isoformat()))
        assert len(told.models[0].lacking) == lacking


def test_nothing_in_production_is_no_pass() -> None:
    """No data is never a pass."""
    assert reviewed().verdict == "inconclusive"

"""Keys: made, replaced while the old one still counts, revoked; and the one that opens a new console."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from modelyard.access import KeyRing, NotAuthenticated, Role, key_id_of, load_pepper
from modelyard.console import Sessions
from modelyard.core import Conflict, InvalidInput, ManualClock, Micros, NotFound, from_micros, to_micros
from modelyard.operations import Nothing, carry_out, keys, write_template
from modelyard.wiring import Project

from ..conftest import NOON


@pytest.fixture
def clock() -> ManualClock:
    """Noon."""
    return ManualClock(NOON)


@pytest.fixture
def project(tmp_path: Path, clock: ManualClock) -> Iterator[Project]:
    """A new project whose console asks for keys."""
    write_template("minimal", tmp_path)
    with (tmp_path / "modelyard.yaml").open("a") as file:
        file.write("\ncontrol: {authentication: true}\n")
    project = Project(tmp_path, clock=clock, environment={})
    yield project
    project.close()


def accepted(project: Project, token: str) -> bool:
    """Whether servers that follow the feed accept a key now."""
    feed = project.feed.read()
    assert feed is not None
    try:
        KeyRing(feed.keys, load_pepper(project.run_folder / "pepper")).authenticate(token, project.clock.micros())
    except NotAuthenticated:
        return False
    return True


def listed(project: Project) -> dict[str, dict[str, object]]:
    return {each["key_id"]: each for each in carry_out(keys.list_keys, project, Nothing())}


def test_a_key_counts_as_long_as_it_was_made_for(project: Project, clock: ManualClock) -> None:
    """Not a moment longer; the list says until when, and never what the key is."""
    made = carry_out(keys.create_key, project, keys.CreateKey("ci", expires="90d"))
    assert made["expires"] == (NOON + timedelta(days=90)).isoformat()
    clock.set(NOON + timedelta(days=90) - timedelta(microseconds=1))
    assert accepted(project, made["key"])
    clock.set(NOON + timedelta(days=90))
    assert not accepted(project, made["key"])
    told = listed(project)[made["key_id"]]
    assert (told["state"], told["expires"]) == ("expired", made["expires"])
    assert "digest" not in told
    assert made["key"].split("_")[2] not in str(told)
    with pytest.raises(InvalidInput, match="cannot count for 11000d"):
        carry_out(keys.create_key, project, keys.CreateKey("ci", expires="11000d"))


def test_a_key_is_replaced_while_the_old_one_still_counts(project: Project, clock: ManualClock) -> None:
    """Role, deployments and lifetime go over; the old one ends after the overlap, never later than it was to."""
    old = carry_out(keys.create_key, project, keys.CreateKey("ci", "service", ("shop",), "10d"))
    clock.advance(timedelta(days=9, hours=12))
    new = carry_out(keys.rotate_key, project, keys.RotateKey(old["key_id"], "1h"))
    assert new["replaces"] == old["key_id"]
    assert new["expires"] == (clock.now() + timedelta(days=10)).isoformat()
    assert accepted(project, old["key"])
    assert accepted(project, new["key"])
    told = listed(project)
    assert told[new["key_id"]]["deployments"] == ("shop",)
    assert (told[new["key_id"]]["replaces"], told[new["key_id"]]["name"]) == (old["key_id"], "ci")
    clock.advance(timedelta(hours=1))
    assert not accepted(project, old["key"])
    assert accepted(project, new["key"])
    again = carry_out(keys.rotate_key, project, keys.RotateKey(new["key_id"], "365d"))
    assert again["old_counts_until"] == new["expires"]
    actions = [each.body["action"] for each in project.audit.entries()]
    assert actions == ["key.create", "key.rotate", "key.rotate"]


def test_what_does_not_count_is_not_replaced(project: Project) -> None:
    """A revoked key, an unknown one, an overlap that is none."""
    made = carry_out(keys.create_key, project, keys.CreateKey("ci"))
    with pytest.raises(InvalidInput, match="no duration"):
        carry_out(keys.rotate_key, project, keys.RotateKey(made["key_id"], "soon"))
    carry_out(keys.revoke_key, project, keys.RevokeKey(made["key_id"]))
    with pytest.raises(Conflict, match="is revoked"):
        carry_out(keys.rotate_key, project, keys.RotateKey(made["key_id"]))
    with pytest.raises(NotFound, match="no key 'x'"):
        carry_out(keys.rotate_key, project, keys.RotateKey("x"))


def test_the_last_use_of_any_process_is_told(project: Project) -> None:
    """Each writes its own file, which outlives it; a file that is damaged is as if it were not there."""
    made = carry_out(keys.create_key, project, keys.CreateKey("ci"))
    assert listed(project)[made["key_id"]]["last_used"] is None
    at = to_micros(NOON)
    project.feed.write_uses("server-1", {made["key_id"]: at})
    project.feed.write_uses("server-1", {"other": at})
    project.feed.write_uses("console", {made["key_id"]: Micros(at - 5)})
    (project.workspace / "feed" / "uses" / "torn.json").write_text("{")
    assert listed(project)[made["key_id"]]["last_used"] == from_micros(at).isoformat()


def test_the_first_start_has_a_key_that_opens_the_console_once(project: Project, clock: ManualClock) -> None:
    """An operator's, for an hour; who comes second with it is refused, and so is every server's door."""
    token = keys.bootstrap_key(project)
    assert token is not None
    assert keys.bootstrap_key(project) is None
    project.publisher.publish()
    assert not accepted(project, token)
    sessions = Sessions(project.records, clock, load_pepper(project.run_folder / "pepper"), lambda _: None)
    session, principal = sessions.begin(token)
    assert principal.roles == (Role.OPERATOR,)
    with pytest.raises(NotAuthenticated, match="has been used"):
        sessions.holder(token)
    assert sessions.of(session) == principal
    assert listed(project)[key_id_of(token)]["state"] == "spent"
    clock.advance(timedelta(hours=1))
    with pytest.raises(NotAuthenticated, match="session is over"):
        sessions.of(session)


def test_a_one_time_key_is_made_only_where_nobody_could_enter(project: Project, clock: ManualClock) -> None:
    """Not beside a key that counts; again once the last has expired; never for a console that asks for none."""
    first = keys.bootstrap_key(project)
    clock.advance(timedelta(hours=1))
    second = keys.bootstrap_key(project)
    assert second not in (None, first)
    clock.advance(timedelta(hours=1))
    carry_out(keys.create_key, project, keys.CreateKey("me", "operator"))
    assert keys.bootstrap_key(project) is None
    project.settings.control.__dict__["authentication"] = False
    assert keys.bootstrap_key(project) is None

"""Signed webhooks, delivered to a real server, and told from forgeries."""

import hashlib
import hmac
import json
import os
import signal
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

import modelyard as my
from modelyard.core import ManualClock
from modelyard.monitoring import Notice, receivers_of, verify_webhook
from modelyard.monitoring.alerts.webhook import DELIVERY, SIGNATURE, signature
from modelyard.storage import RecordStore

from .desk import MINUTE, Desk
from .taking import taking

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
SECRET = "a secret of the two of us"


def test_a_delivery_is_signed_and_says_what_happened(records: RecordStore, clock: ManualClock) -> None:
    """The receiver checks it with the shipped function, and with nothing but the standard library."""
    with taking() as server:
        ops = {"webhook": f"{server.url}/hook", "secret": "${OPS}", "allow": ["127.0.0.1/32"]}
        desk = Desk(records, clock, {"notify": {"ops": ops}})
        desk.tell({"error_rate": 0.5})
        clock.advance(MINUTE)
        desk.outbox.compose()
        (done,) = desk.outbox.deliver(receivers_of(desk.settings, {"OPS": SECRET}))
        assert done.error == ""
        ((_, headers, body),) = server.requests
    assert my.verify_webhook(body, headers[SIGNATURE], SECRET, now=clock.now())
    seconds, _, mac = headers[SIGNATURE].removeprefix("t=").partition(",v1=")
    assert mac == hmac.new(SECRET.encode(), f"{seconds}.".encode() + body, hashlib.sha256).hexdigest()
    told = json.loads(body)
    assert (told["id"], told["deployment"], told["severity"], told["project"]) == (
        headers[DELIVERY], "shop", "critical", "corner",
    )  # fmt: skip
    assert told["fired"][0]["alert"]["metric_value"] == 0.5
    assert "error_rate" in told["title"]


def test_a_sender_that_is_killed_after_sending_sends_again(records: RecordStore, clock: ManualClock) -> None:
    """Kill -9 between the delivery and its note: the same id comes twice, and then no more."""
    with taking() as server:
        ops = {"webhook": f"{server.url}/hook", "secret": SECRET, "allow": ["127.0.0.1/32"]}
        desk = Desk(records, clock, {"notify": {"ops": ops}})
        desk.tell({"error_rate": 0.5})
        clock.advance(MINUTE)
        desk.outbox.compose()
        real = receivers_of(desk.settings, {})

        class Dying:
            def take(self, notice: Notice, identity: str, at: datetime) -> None:
                real("ops").take(notice, identity, at)
                os.kill(os.getpid(), signal.SIGKILL)

        child = os.fork()
        if child == 0:
            desk.outbox.deliver(lambda _: Dying())
            os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
        assert len(server.requests) == 1
        assert [each.error for each in desk.outbox.deliver(real)] == [""]
        assert desk.outbox.deliver(real) == []
    assert len(server.requests) == 2
    assert len({headers[DELIVERY] for _, headers, _ in server.requests}) == 1


def test_a_secret_that_is_not_set_is_an_error_that_names_the_variable(records: RecordStore, clock: ManualClock) -> None:
    """It is tried again, for it may be set."""
    desk = Desk(records, clock, {"notify": {"ops": {"webhook": "${URL}", "secret": SECRET}}})
    desk.tell({"error_rate": 0.5})
    clock.advance(MINUTE)
    desk.outbox.compose()
    (done,) = desk.outbox.deliver(receivers_of(desk.settings, {}))
    assert done.error == "The environment variable URL is not set."


@given(st.binary(max_size=50), st.text(max_size=90))
def test_nothing_but_the_right_signature_passes(body: bytes, header: str) -> None:
    """Not any text, another body, another secret, or a changed time."""
    assert not verify_webhook(body, header, SECRET, now=NOON)
    right = signature(body, SECRET, NOON)
    assert verify_webhook(body, right, SECRET, now=NOON)
    assert not verify_webhook(body + b"x", right, SECRET, now=NOON)
    assert not verify_webhook(body, right, SECRET + "x", now=NOON)
    later = right.replace(f"t={int(NOON.timestamp())}", f"t={int(NOON.timestamp()) + 1}")
    assert not verify_webhook(body, later, SECRET, now=NOON)


@pytest.mark.parametrize(("minutes", "holds"), [(-5, True), (5, True), (-6, False), (6, False)])
def test_an_old_delivery_does_not_pass_again(minutes: int, holds: bool) -> None:
    """A recorded one is refused after five minutes, and so is one of the future."""
    right = signature(b"{}", SECRET, NOON)
    assert verify_webhook(b"{}", right, SECRET, now=NOON + timedelta(minutes=minutes)) is holds

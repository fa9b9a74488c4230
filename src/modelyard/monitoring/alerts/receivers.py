"""Receivers by what the project file says of them: a signed webhook, or whatever apprise can reach."""

from collections.abc import Mapping
from datetime import datetime
from functools import partial

from pydantic import SecretStr

from .errors import NotDelivered
from .groups import Notice, text_of, title_of
from .outbox import Receiver, ReceiverOf, check_known
from .records import AlertSeverity
from .settings import VARIABLE, AlertSettings
from .webhook import Webhook

_LOUD = {AlertSeverity.INFO: "info", AlertSeverity.WARNING: "warning", AlertSeverity.CRITICAL: "failure"}


class Apprise:
    """A service that apprise knows: Slack, PagerDuty, e-mail and a hundred others, by its URL."""

    def __init__(self, url: str) -> None:
        self._url = url

    def take(self, notice: Notice, identity: str, at: datetime) -> None:  # noqa: ARG002 - services make ids of their own
        """See `outbox.Receiver`."""
        import apprise  # noqa: PLC0415 - slow to load, and of use only when something is told

        service = apprise.Apprise(asset=apprise.AppriseAsset(storage_mode=apprise.PersistentStoreMode.MEMORY))
        kind = self._url.partition(":")[0]
        if not service.add(self._url):
            raise NotDelivered(f"apprise cannot use this URL of {kind[:20]!r}.")
        loud = _LOUD[notice.severity] if notice.fired else "success"
        if not service.notify(title=title_of(notice), body=text_of(notice), notify_type=apprise.NotifyType(loud)):
            raise NotDelivered(f"{kind[:20]} did not take it.")


def receivers_of(settings: AlertSettings, environment: Mapping[str, str]) -> ReceiverOf:
    """The receivers of a project, each made when it is asked for."""
    return partial(_receiver, settings, environment)


def _receiver(settings: AlertSettings, environment: Mapping[str, str], name: str) -> Receiver:
    given = check_known(settings, name)
    if given.apprise is not None:
        return Apprise(_revealed(given.apprise, environment))
    assert given.webhook is not None  # noqa: S101 - the settings ask for one of the two
    assert given.secret is not None  # noqa: S101 - and for the secret of a webhook
    return Webhook(_revealed(given.webhook, environment), _revealed(given.secret, environment), given.allow)


def _revealed(secret: SecretStr, environment: Mapping[str, str]) -> str:
    text = secret.get_secret_value()
    variable = VARIABLE.fullmatch(text)
    if variable is None:
        return text
    if not (value := environment.get(variable[1], "")):
        raise NotDelivered(f"The environment variable {variable[1]} is not set.")
    return value

"""Sessions: a person signs in once, with an API key or elsewhere, and the browser carries a cookie instead."""

import hashlib
import hmac
import secrets
from collections.abc import Callable, Mapping
from datetime import timedelta

import msgspec

from modelyard.access import KeyRing, NotAuthenticated, Principal, Role, StoredKey, key_id_of, token_digest
from modelyard.core import Clock, Micros, log_event, to_micros
from modelyard.storage import RecordStore, Snapshot
from modelyard.wiring import KEYS

KIND = "session"
"""The kind of the documents that sessions are stored as, under the digest of their token."""

LASTS = timedelta(hours=12)
"""How long a session lasts, however often it is used."""


_NOTE_EVERY_US = 10_000_000


class Session(msgspec.Struct, frozen=True):
    """A session at rest. Its token is with the browser alone."""

    key_id: str
    began_us: Micros
    expires_us: Micros
    name: str = ""
    """Of who signed in elsewhere, with no key: who that is, and the roles."""
    roles: tuple[Role, ...] = ()


class Sessions:
    """Who holds a key, and who holds the token of a session that began with one.

    A session ends when it is twelve hours old, when its holder leaves, and with its key: that is asked each time. Any
    console of the record store knows it. Safe for several threads.
    """

    def __init__(
        self, records: RecordStore, clock: Clock, pepper: bytes, note: Callable[[Mapping[str, Micros]], None]
    ) -> None:
        """`note` is told when keys were last used, now and then."""
        self._records = records
        self._clock = clock
        self._pepper = pepper
        self._note = note
        self._used: dict[str, Micros] = {}
        self._noted = 0

    def holder(self, key: str) -> Principal:
        """Who holds an API key; NotAuthenticated when nobody does, or not any more. A one-time key is spent by it."""
        with self._records.snapshot() as view:
            document = view.get(KEYS, key_id_of(key))
        stored = None if document is None else msgspec.convert(document.body, StoredKey)
        counts = stored is not None and stored.revoked_us is None
        principal = KeyRing([stored] if stored is not None and counts else [], self._pepper).authenticate(
            key, self._now()
        )
        if stored is not None and stored.once:
            self._spend(stored.key_id)
        self._see(principal.name)
        return principal

    def begin(self, key: str) -> tuple[str, Principal]:
        """A session for the holder of a key: its token, 256 random bits, and who that is."""
        principal = self.holder(key)
        now = self._clock.now()
        return self._kept(Session(principal.name, to_micros(now), to_micros(now + LASTS))), principal

    def begin_elsewhere(self, principal: Principal) -> str:
        """A session for who signed in elsewhere. His roles are as they were then, until it ends."""
        now = self._clock.now()
        return self._kept(Session("", to_micros(now), to_micros(now + LASTS), principal.name, principal.roles))

    def _kept(self, session: Session) -> str:
        token = secrets.token_hex(32)
        with self._records.transaction() as tx:
            for each in tx.scan(KIND):
                if each.body["expires_us"] <= session.began_us:
                    tx.delete(KIND, each.key)
            tx.put(KIND, self._digest(token), msgspec.to_builtins(session))
        return token

    def of(self, token: str) -> Principal:
        """Whose session a token is; NotAuthenticated when it is over."""
        with self._records.snapshot() as view:
            session = self._stored(view, token)
            key = view.get(KEYS, session.key_id) if session is not None and session.key_id else None
        if session is None or session.expires_us <= self._now():
            raise _over()
        if not session.key_id:
            return Principal(session.name, session.roles, "oidc")
        if key is None:
            raise _over()
        stored = msgspec.convert(key.body, StoredKey)
        if not _counts(stored, self._now()):
            raise _over()
        return Principal(stored.key_id, (Role(stored.role),), "key", stored.deployments)

    def end(self, token: str) -> None:
        """End a session; ending none does nothing."""
        with self._records.transaction() as tx:
            tx.delete(KIND, self._digest(token))

    def csrf(self, token: str) -> str:
        """What pages of a session send along with changes. Who cannot read the pages cannot know it."""
        return hmac.new(self._pepper, f"csrf:{token}".encode(), hashlib.sha256).hexdigest()

    def _stored(self, view: Snapshot, token: str) -> Session | None:
        document = view.get(KIND, self._digest(token))
        return None if document is None else msgspec.convert(document.body, Session)

    def _digest(self, token: str) -> str:
        return token_digest(token, self._pepper)

    def _spend(self, key_id: str) -> None:
        """Let a one-time key count for the last time; NotAuthenticated for whoever comes second."""
        with self._records.transaction() as tx:
            document = tx.get(KEYS, key_id)
            stored = None if document is None else msgspec.convert(document.body, StoredKey)
            if stored is None or stored.spent_us is not None:
                raise NotAuthenticated(
                    "The one-time key has been used.", remedy="Make one to keep: modelyard key create --name NAME."
                )
            tx.put(KEYS, key_id, msgspec.to_builtins(msgspec.structs.replace(stored, spent_us=self._now())))

    def _see(self, key_id: str) -> None:
        """Note a use in memory, and what was noted at most every ten seconds where others see it."""
        now = self._now()
        self._used[key_id] = now
        if now - self._noted >= _NOTE_EVERY_US:
            used, self._used, self._noted = self._used, {}, now
            try:
                self._note(used)
            except OSError as error:  # a disk that is full, say: who used a key when is worth no answer
                log_event("console", "uses of keys are not noted", error=repr(error))

    def _now(self) -> Micros:
        return to_micros(self._clock.now())


def _counts(key: StoredKey, now: Micros) -> bool:
    return key.revoked_us is None and (key.expires_us is None or now < key.expires_us)


def _over() -> NotAuthenticated:
    return NotAuthenticated("The session is over.", code="SESSION_OVER", remedy="Sign in again, with an API key.")

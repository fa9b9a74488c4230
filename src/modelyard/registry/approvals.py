"""Approvals: who may let a version hold an alias, and what of it counts now.

An approval binds to the bundle's digest, the alias and the digest of the configuration that serves it: after a change
of any of these it is void. It is never the author's nor the requester's own, it expires, and a rejection stands until
somebody asks anew.
"""

from collections.abc import Callable, Mapping
from datetime import datetime

import msgspec

from modelyard.access import Principal
from modelyard.audit import AuditLog
from modelyard.core import Clock, Digest
from modelyard.core.durations import format_duration
from modelyard.storage import RecordStore, Snapshot, Transaction

from .errors import MayNotApprove, NothingToApprove
from .records import ModelVersion
from .settings import ApprovalRule
from .versions import key_of

_KIND = "approval"


class Given(msgspec.Struct, frozen=True):
    """One approval, and what it binds to."""

    by: str
    roles: tuple[str, ...]
    at: str
    bundle: Digest
    configuration: Digest
    reason: str = ""


class Rejection(msgspec.Struct, frozen=True):
    """Who said no, when and why."""

    by: str
    at: str
    reason: str


class Request(msgspec.Struct, frozen=True):
    """What is asked for a version and an alias, and the answers so far. Without `requested_by` nobody asked."""

    model: str
    version: int
    alias: str
    requested_by: str = ""
    requested_at: str = ""
    reason: str = ""
    given: tuple[Given, ...] = ()
    rejection: Rejection | None = None


class Counted(msgspec.Struct, frozen=True):
    """What of a request counts now: who approved, which approvals are void and why, who rejected, what is missing."""

    alias: str
    required: int
    approved_by: tuple[str, ...]
    void: tuple[str, ...]
    requested_by: str
    rejected: str
    expires: str

    @property
    def missing(self) -> str:
        """Why the alias may not be held yet, or nothing."""
        if self.rejected:
            return self.rejected
        if len(self.approved_by) >= self.required:
            return ""
        void = f"; {'; '.join(self.void[:5])}" if self.void else ""
        return f"it has {len(self.approved_by)} of {self.required} approvals for {self.alias}{void}"


class Approvals:
    """Requests and answers. Each is one record-store transaction with its audit entry; safe for any process."""

    def __init__(
        self,
        records: RecordStore,
        audit: AuditLog,
        clock: Clock,
        rules: Mapping[str, ApprovalRule],
        configuration: Callable[[str, str], Digest],
    ) -> None:
        """`rules` by alias; `configuration` gives the digest of what serves an alias of a model."""
        self._records = records
        self._audit = audit
        self._clock = clock
        self._rules = rules
        self._configuration = configuration

    @property
    def rules(self) -> tuple[str, ...]:
        """The aliases that a rule is about."""
        return tuple(self._rules)

    def request(self, version: ModelVersion, alias: str, principal: Principal, reason: str = "") -> Counted:
        """Ask for approval; earlier answers, rejections too, are over. NothingToApprove where no rule asks for one."""
        self._approvable(version, alias)
        now = self._now().isoformat()
        request = Request(version.name, version.number, alias, principal.name, now, reason)
        with self._records.transaction() as tx:
            self._write(tx, request, principal, "model.request", {"reason": reason})
            return self.counted(tx, version, alias)

    def approve(self, version: ModelVersion, alias: str, principal: Principal, reason: str = "") -> Counted:
        """Approve; MayNotApprove for author, requester and other roles; NothingToApprove after a rejection."""
        bundle, rule = self._approvable(version, alias)
        with self._records.transaction() as tx:
            request = self._read(tx, version, alias)
            _refuse_self(version, request, principal)
            self._refuse_role(rule, alias, principal)
            if request.rejection is not None:
                raise _rejected(version, request, request.rejection)
            given = Given(
                by=principal.name,
                roles=tuple(each.value for each in principal.roles),
                at=self._now().isoformat(),
                bundle=bundle,
                configuration=self._configuration(version.name, alias),
                reason=reason,
            )
            others = tuple(each for each in request.given if each.by != principal.name)
            later = msgspec.structs.replace(request, given=(*others, given))
            detail = {"bundle": bundle, "configuration": given.configuration, "reason": reason}
            self._write(tx, later, principal, "model.approve", detail)
            return self.counted(tx, version, alias)

    def reject(self, version: ModelVersion, alias: str, principal: Principal, reason: str) -> Counted:
        """Reject: nothing counts until somebody asks anew. The author and the requester may reject as well."""
        _, rule = self._approvable(version, alias)
        with self._records.transaction() as tx:
            self._refuse_role(rule, alias, principal)
            rejection = Rejection(principal.name, self._now().isoformat(), reason)
            later = msgspec.structs.replace(self._read(tx, version, alias), rejection=rejection)
            self._write(tx, later, principal, "model.reject", {"reason": reason})
            return self.counted(tx, version, alias)

    def counted(self, view: Snapshot, version: ModelVersion, alias: str) -> Counted:
        """What counts now. Where no rule asks for approvals, none is missing."""
        rule = self._rules.get(alias)
        request = self._read(view, version, alias)
        if rule is None:
            return Counted(alias, 0, (), (), request.requested_by, "", "")
        configuration = self._configuration(version.name, alias)
        why = {each.by: self._void(each, version, request, rule, configuration) for each in request.given}
        ends = [datetime.fromisoformat(each.at) + rule.expires for each in request.given if not why[each.by]]
        return Counted(
            alias=alias,
            required=rule.required,
            approved_by=tuple(by for by, void in why.items() if not void),
            void=tuple(f"the approval of {by} is void: {void}" for by, void in why.items() if void),
            requested_by=request.requested_by,
            rejected=_told(request.rejection),
            expires=min(ends).isoformat() if ends else "",
        )

    def reviewed_by(self, view: Snapshot, version: ModelVersion, alias: str) -> tuple[str, ...]:
        """Who approved this very bundle for an alias at any time, and neither registered nor requested it.

        Unlike `counted` it asks what was done, not what holds now: an approval that has expired since was a review.
        """
        request = self._read(view, version, alias)
        own = (version.created_by, request.requested_by)
        return tuple(each.by for each in request.given if each.bundle == version.bundle and each.by not in own)

    def open(self, view: Snapshot, name: str, number: int) -> list[str]:
        """The aliases for which a version waits to be approved: asked for, not rejected, not expired."""
        waiting = []
        for document in view.scan(_KIND, prefix=f"{key_of(name, number)}/"):
            request = msgspec.convert(document.body, Request)
            rule = self._rules.get(request.alias)
            if rule is not None and request.rejection is None and self._waits(request, rule):
                waiting.append(request.alias)
        return waiting

    def asked_for(self, alias: str) -> bool:
        """Whether a rule asks for approvals of an alias."""
        return alias in self._rules and self._rules[alias].required > 0

    def forget(self, tx: Transaction, name: str, number: int) -> None:
        """Remove what was asked and answered about a version that is deleted; the audit record keeps it."""
        for document in tx.scan(_KIND, prefix=f"{key_of(name, number)}/"):
            tx.delete(_KIND, document.key)

    def _waits(self, request: Request, rule: ApprovalRule) -> bool:
        if not request.requested_at:
            return False
        return self._now() < datetime.fromisoformat(request.requested_at) + rule.expires

    def _void(
        self, given: Given, version: ModelVersion, request: Request, rule: ApprovalRule, configuration: Digest
    ) -> str:
        """Why an approval does not count, or nothing."""
        if given.bundle != version.bundle:
            return "it was for another bundle"
        if given.configuration != configuration:
            return "the configuration has changed since"
        if self._now() >= datetime.fromisoformat(given.at) + rule.expires:
            return f"it expired after {format_duration(rule.expires)}"
        if not {each.value for each in rule.roles} & set(given.roles):
            return "the role is not one that counts"
        if given.by in (version.created_by, request.requested_by):
            return "nobody approves what is their own"
        return ""

    def _approvable(self, version: ModelVersion, alias: str) -> tuple[Digest, ApprovalRule]:
        rule = self._rules.get(alias)
        if rule is None:
            raise NothingToApprove(
                f"Nothing asks for approvals of '{alias}'.",
                context={"alias": alias, "rules": sorted(self._rules)},
                remedy=f"Ask for some in modelyard.yaml: security.approvals: {{{alias}: {{required: 1}}}}.",
            )
        if version.bundle is None:
            raise NothingToApprove(
                f"{version.name} {version.label} is metadata only: an approval binds to a bundle, and it has none.",
                remedy="Register a version with --run, --path or --bundle.",
            )
        return version.bundle, rule

    def _refuse_role(self, rule: ApprovalRule, alias: str, principal: Principal) -> None:
        if set(rule.roles) & set(principal.roles):
            return
        has = ", ".join(each.value for each in principal.roles) or "no role"
        wanted = " or ".join(each.value for each in rule.roles)
        raise MayNotApprove(
            f"{principal.name} ({has}) may not answer for {alias}; that takes {wanted}.",
            context={"principal": principal.name, "roles": [each.value for each in rule.roles]},
            remedy=f"Ask someone who is {wanted}.",
        )

    def _read(self, view: Snapshot, version: ModelVersion, alias: str) -> Request:
        document = view.get(_KIND, f"{key_of(version.name, version.number)}/{alias}")
        if document is None:
            return Request(version.name, version.number, alias)
        return msgspec.convert(document.body, Request)

    def _write(
        self, tx: Transaction, request: Request, principal: Principal, action: str, detail: Mapping[str, str]
    ) -> None:
        key = f"{key_of(request.model, request.version)}/{request.alias}"
        tx.put(_KIND, key, msgspec.to_builtins(request))
        subject = f"{request.model}/{request.version}"
        self._audit.record(tx, principal, action, subject, {"alias": request.alias, **detail})

    def _now(self) -> datetime:
        return self._clock.now()


def _refuse_self(version: ModelVersion, request: Request, principal: Principal) -> None:
    """The author and the requester do not approve: that takes somebody else's eyes."""
    part = {version.created_by: "registered it", request.requested_by: "asked for the approval"}.get(principal.name)
    if part is not None:
        raise MayNotApprove(
            f"{principal.name} may not approve {version.name} {version.label}: {principal.name} {part}.",
            context={"principal": principal.name, "model": version.name, "version": version.number},
            remedy=f"Ask someone else: modelyard model approve {version.name} {version.number} --stage {request.alias}",
        )


def _told(rejection: Rejection | None) -> str:
    if rejection is None:
        return ""
    return f"{rejection.by} rejected it on {rejection.at[:19]}{': ' if rejection.reason else ''}{rejection.reason}"


def _rejected(version: ModelVersion, request: Request, rejection: Rejection) -> NothingToApprove:
    return NothingToApprove(
        f"{version.name} {version.label} was rejected for {request.alias}: {_told(rejection)}.",
        context={"model": version.name, "version": version.number, "alias": request.alias},
        remedy=f"Ask anew: modelyard model request {version.name} {version.number} --stage {request.alias}",
    )

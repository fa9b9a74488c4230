"""The audit record: who did what, when; the newest first."""

from typing import Any

from modelyard.operations import audits

from .frame import Ask, Page, Params, number

_EACH = 50


def _all(ask: Ask, params: Params) -> dict[str, Any]:
    before = number(params, "before", 0) or None
    asked = {name: params.get(name, "").strip() for name in ("principal", "action", "subject")}
    page = audits.AuditPage(
        limit=_EACH + 1,
        newest=True,
        before=before,
        principal=asked["principal"] or None,
        action=asked["action"] or None,
        subject=asked["subject"] or None,
    )
    found = ask(audits.audit_list, page)
    return {"found": found[:_EACH], "more": len(found) > _EACH, "asked": asked, "before": before}


PAGES = (Page("/audit", "audit.html.j2", "audit", _all),)

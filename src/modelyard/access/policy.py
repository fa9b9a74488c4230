"""Permissions, the roles that have them, and the question whether a principal may."""

from enum import StrEnum

from .errors import PermissionDenied
from .records import Principal, Role


class Permission(StrEnum):
    """What an operation or a route asks for."""

    PREDICT = "predict"
    FEEDBACK = "feedback"
    READ = "read"
    DEVELOP = "develop"
    APPROVE = "approve"
    OPERATE = "operate"


ROLE_PERMISSIONS: dict[Role, frozenset[Permission]] = {
    Role.VIEWER: frozenset({Permission.READ}),
    Role.DEVELOPER: frozenset({Permission.READ, Permission.DEVELOP}),
    Role.APPROVER: frozenset({Permission.READ, Permission.APPROVE}),
    Role.OPERATOR: frozenset(Permission),
    Role.SERVICE: frozenset({Permission.PREDICT, Permission.FEEDBACK}),
}
"""What each role may do."""

_REMEDY = "Ask an operator, or use a key of such a role: modelyard key create --role ROLE --name NAME."
_REMEDIES = {
    "os": "Ask somebody who has it. Who is what stands in modelyard.yaml under security.roles.",
    "oidc": "Ask somebody who has it. Who is what stands in modelyard.yaml under control.oidc.roles.",
}


def authorize(principal: Principal, permission: Permission, *, deployment: str | None = None) -> None:
    """Return when the principal may; else PermissionDenied says which roles could. Default deny."""
    allowed = any(permission in ROLE_PERMISSIONS[role] for role in principal.roles)
    if not allowed:
        able = [role.value for role in Role if permission in ROLE_PERMISSIONS[role]]
        has = ", ".join(role.value for role in principal.roles) or "no role"
        raise PermissionDenied(
            f"{principal.name} ({has}) may not {permission.value}; that takes {' or '.join(able)}.",
            context={"principal": principal.name, "permission": permission.value, "roles": able},
            remedy=_REMEDIES.get(principal.source, _REMEDY),
        )
    if deployment is not None and principal.deployments and deployment not in principal.deployments:
        raise PermissionDenied(
            f"The key '{principal.name}' is for {', '.join(principal.deployments)}, not for '{deployment}'.",
            context={"principal": principal.name, "deployment": deployment},
            remedy="Use a key for this deployment.",
        )

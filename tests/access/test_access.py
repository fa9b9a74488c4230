"""Who may do what, and who a key belongs to."""

import os
import pwd
from pathlib import Path

import pytest

from modelyard.access import (
    ROLE_PERMISSIONS,
    KeyRing,
    NotAuthenticated,
    Permission,
    PermissionDenied,
    Principal,
    Role,
    authorize,
    load_pepper,
    local_principal,
    mint_key,
)
from modelyard.core import Micros

ALLOWED = {
    Role.VIEWER: {"read"},
    Role.DEVELOPER: {"read", "develop"},
    Role.APPROVER: {"read", "approve"},
    Role.OPERATOR: {"predict", "feedback", "read", "develop", "approve", "operate"},
    Role.SERVICE: {"predict", "feedback"},
}


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("permission", Permission)
def test_the_matrix_of_roles_and_permissions(role: Role, permission: Permission) -> None:
    """Written down here a second time, so that nobody widens a role by accident."""
    principal = Principal("someone", (role,), "key")
    if permission.value in ALLOWED[role]:
        authorize(principal, permission)
        return
    with pytest.raises(PermissionDenied, match=rf"someone \({role.value}\) may not {permission.value}"):
        authorize(principal, permission)
    assert set(ROLE_PERMISSIONS) == set(Role)


def test_nobody_may_anything_without_a_role_and_keys_stay_with_their_deployments() -> None:
    """Default deny; a key for one deployment is none for another."""
    with pytest.raises(PermissionDenied, match="no role"):
        authorize(Principal("ghost", (), "key"), Permission.READ)
    bound = Principal("k", (Role.SERVICE,), "key", ("fraud",))
    authorize(bound, Permission.PREDICT, deployment="fraud")
    with pytest.raises(PermissionDenied, match="not for 'other'"):
        authorize(bound, Permission.PREDICT, deployment="other")
    authorize(local_principal(), Permission.OPERATE)


def test_variables_make_nobody_another_user(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who acts is who the process runs as."""
    name = pwd.getpwuid(os.geteuid()).pw_name
    for variable in ("LOGNAME", "USER", "LNAME", "USERNAME", "SUDO_USER"):
        monkeypatch.setenv(variable, "somebody-else")
    assert local_principal().name == name
    monkeypatch.setattr(os, "geteuid", lambda: 2_000_000_001)
    assert local_principal().name == "uid-2000000001"


def test_a_user_has_the_roles_that_the_project_gives() -> None:
    """Who is not named may look, and nothing else; where nobody is named, everybody is an operator."""
    name = local_principal().name
    assert local_principal({}).roles == (Role.OPERATOR,)
    assert local_principal({name: [Role.DEVELOPER, Role.APPROVER]}).roles == (Role.DEVELOPER, Role.APPROVER)
    other = local_principal({"ana": [Role.OPERATOR]})
    assert other.roles == (Role.VIEWER,)
    authorize(other, Permission.READ)
    with pytest.raises(PermissionDenied, match=r"\(viewer\) may not approve; that takes approver or operator") as told:
        authorize(other, Permission.APPROVE)
    assert "security.roles" in told.value.remedy


def test_a_key_is_known_by_its_token_only(tmp_path: Path) -> None:
    """Right token, wrong token, another's id, another pepper, expired, none: one of these gets in."""
    pepper = load_pepper(tmp_path / "pepper")
    assert load_pepper(tmp_path / "pepper") == pepper
    assert (tmp_path / "pepper").stat().st_mode & 0o777 == 0o600
    token, key = mint_key("ci", Role.SERVICE, pepper, now=Micros(0), created_by="me", expires_us=Micros(100))
    other, _ = mint_key("ci", Role.SERVICE, pepper, now=Micros(0), created_by="me")
    assert token not in repr(key)
    assert len(token) > 70
    ring = KeyRing([key], pepper)
    assert ring.authenticate(token, Micros(99)).roles == (Role.SERVICE,)
    forged = f"my_{key.key_id}_{other.split('_')[2]}"
    for wrong, now in ((None, 0), ("", 0), (other, 0), (forged, 0), (token + "0", 0), ("my__", 0), (token, 100)):
        with pytest.raises(NotAuthenticated):
            ring.authenticate(wrong, Micros(now))
    with pytest.raises(NotAuthenticated):
        KeyRing([key], b"another").authenticate(token, Micros(0))

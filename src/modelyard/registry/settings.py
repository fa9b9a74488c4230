"""What the project file says of approvals and of changes made elsewhere."""

from datetime import timedelta
from typing import Literal

from pydantic import Field

from modelyard.access import Role
from modelyard.core.durations import Duration
from modelyard.core.settings import Section

OutsidePolicy = Literal["follow", "refuse"]
"""What becomes of an alias or stage that a plain MLflow client moved."""


class ApprovalRule(Section):
    """How many must approve before a version may hold an alias, and who."""

    required: int = Field(1, ge=0, le=20, description="How many different people must approve.")
    roles: tuple[Role, ...] = Field(
        (Role.APPROVER, Role.OPERATOR), min_length=1, description="Roles whose approval counts."
    )
    expires: Duration = Field(timedelta(hours=24), description="How long a request and an approval hold.")

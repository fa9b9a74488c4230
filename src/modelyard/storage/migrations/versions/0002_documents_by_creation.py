"""Documents are found newest first."""

from alembic import op
from sqlalchemy import text

revision = "0002"
down_revision = "0001"

_CREATED = {
    "sqlite": "(CASE WHEN json_valid(body) THEN json_extract(body, '$.created_at') END)",
    "postgresql": """((body ->> 'created_at') COLLATE "C")""",
}
"""As in `drivers/dialects`: an index is used only for the expression that it was made of."""


def upgrade() -> None:
    """Add an index of those documents that say when they were made. No document changes."""
    created = _CREATED[op.get_bind().dialect.name]
    op.execute(
        text(f"CREATE INDEX documents_by_creation ON documents (kind, {created}, key) WHERE {created} IS NOT NULL")
    )

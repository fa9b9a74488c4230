"""Documents with labels, and append-only streams."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create the first tables. Keys compare by code point on every database."""
    text = sa.String(512).with_variant(sa.String(512, collation="C"), "postgresql")
    name = sa.String(64).with_variant(sa.String(64, collation="C"), "postgresql")
    op.create_table(
        "documents",
        sa.Column("kind", name, primary_key=True),
        sa.Column("key", text, primary_key=True),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("body", sa.JSON, nullable=False),
    )
    op.create_table(
        "labels",
        sa.Column("kind", name, primary_key=True),
        sa.Column("key", text, primary_key=True),
        sa.Column("label", name, primary_key=True),
        sa.Column("value", text, nullable=False),
        sa.ForeignKeyConstraint(["kind", "key"], ["documents.kind", "documents.key"], ondelete="CASCADE"),
    )
    op.create_index("labels_by_value", "labels", ["kind", "label", "value"])
    op.create_table(
        "entries",
        sa.Column("stream", text, primary_key=True),
        sa.Column("seq", sa.BigInteger, primary_key=True),
        sa.Column("body", sa.JSON, nullable=False),
    )

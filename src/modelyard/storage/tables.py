"""The tables behind the record store, as the newest migration leaves them."""

from sqlalchemy import JSON, BigInteger, Column, ForeignKeyConstraint, Index, Integer, MetaData, String, Table

metadata = MetaData()

documents = Table(
    "documents",
    metadata,
    Column("kind", String(64), primary_key=True),
    Column("key", String(512), primary_key=True),
    Column("revision", Integer, nullable=False),
    Column("body", JSON, nullable=False),
)

labels = Table(
    "labels",
    metadata,
    Column("kind", String(64), primary_key=True),
    Column("key", String(512), primary_key=True),
    Column("label", String(64), primary_key=True),
    Column("value", String(512), nullable=False),
    ForeignKeyConstraint(["kind", "key"], ["documents.kind", "documents.key"], ondelete="CASCADE"),
    Index("labels_by_value", "kind", "label", "value"),
)

entries = Table(
    "entries",
    metadata,
    Column("stream", String(512), primary_key=True),
    Column("seq", BigInteger, primary_key=True),
    Column("body", JSON, nullable=False),
)

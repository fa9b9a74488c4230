"""Bringing a database to the newest schema. Alembic is imported only when there is something to do."""

import logging
from pathlib import Path

from sqlalchemy import Connection, column, inspect, select, table

HEAD = "0001"
"""The newest revision in `migrations/versions`."""

_VERSION = table("alembic_version", column("version_num"))


def migrate(connection: Connection) -> None:
    """Run the migrations that are missing, on a connection that already excludes other writers."""
    if _revision(connection) == HEAD:
        return
    from alembic import command  # noqa: PLC0415 - takes longer than all a store usually does
    from alembic.config import Config  # noqa: PLC0415 - the same

    logging.getLogger("alembic").setLevel(logging.WARNING)
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, HEAD)


def _revision(connection: Connection) -> str | None:
    """Where the database is, as Alembic keeps it."""
    if not inspect(connection).has_table(_VERSION.name):
        return None
    found: str | None = connection.execute(select(_VERSION.c.version_num)).scalar()
    return found

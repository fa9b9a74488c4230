"""Bringing a database to the newest schema. Alembic is imported only when there is something to do."""

import logging
from pathlib import Path

from sqlalchemy import Connection, column, inspect, select, table

from .errors import SchemaTooNew

REVISIONS = ("0001", "0002")
"""Those in `migrations/versions`, oldest first."""

HEAD = REVISIONS[-1]

_VERSION = table("alembic_version", column("version_num"))


def migrate(connection: Connection) -> None:
    """Run the migrations that are missing, on a connection that already excludes other writers.

    They are one transaction: a process that is killed meanwhile leaves the schema as it was. SchemaTooNew for a schema
    that only a newer version knows, which is left alone.
    """
    found = _revision(connection)
    if found == HEAD:
        return
    if found is not None and found not in REVISIONS:
        raise SchemaTooNew(
            f"The record store has schema '{found}'; this Modelyard knows those up to {HEAD}.",
            context={"found": found, "known": list(REVISIONS)},
            remedy="Use the version of Modelyard that wrote it, or a newer one. To go back, put the backup that was "
            "taken before into an empty store: modelyard restore",
        )
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

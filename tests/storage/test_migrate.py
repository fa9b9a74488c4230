"""Where a database is, and where it should be."""

from alembic.script import ScriptDirectory

import modelyard.storage.migrate
from modelyard.storage.migrate import HEAD


def test_the_newest_revision_is_the_one_we_name() -> None:
    """Stores compare it with their own before Alembic is imported."""
    folder = modelyard.storage.migrate.__file__.replace("migrate.py", "migrations")
    assert ScriptDirectory(folder).get_current_head() == HEAD

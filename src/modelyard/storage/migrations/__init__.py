"""Alembic migrations of the record store, shipped with the package."""

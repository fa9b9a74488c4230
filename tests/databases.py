"""Databases of a real PostgreSQL, for tests that run on it as they do on SQLite."""

from uuid import uuid4

import psycopg


def new_database(server: str, *, like: str | None = None) -> str:
    """Make a database, empty or a copy of another one that nobody uses now; returns the URL of its record store."""
    name = f"test_{uuid4().hex}"
    template = f" TEMPLATE {_name_of(like)}" if like is not None else ""
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}{template}")
    return server.replace("/postgres?", f"/{name}?").replace("postgresql://", "postgresql+psycopg://")


def drop_database(server: str, url: str) -> None:
    """Remove a database, whoever still uses it."""
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {_name_of(url)} WITH (FORCE)")


def careless(server: str, url: str) -> str:
    """Let commits to a database not wait for the disk: who writes after whom stays as it is; returns the URL."""
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {_name_of(url)} SET synchronous_commit = off")
    return url


def _name_of(url: str) -> str:
    return url.rpartition("/")[2] if "?" not in url else url.partition("?")[0].rpartition("/")[2]

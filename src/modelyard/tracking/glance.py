"""What MLflow's tables say of registered models, read without MLflow: to know which of them are worth asking about."""

import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

_ALIASES = "SELECT name, alias, version FROM registered_model_aliases"
_IN_A_STAGE = "current_stage IN ('Staging', 'Production', 'Archived')"  # a deleted version is in one that is none
_STAGES = f"SELECT name, version, current_stage FROM model_versions WHERE {_IN_A_STAGE}"

Glanced = tuple[dict[str, int], dict[int, str]]
"""Aliases of a model, and the stages of those of its versions that are in one."""


def glance(file: Path, model: str | None = None) -> Mapping[str, Glanced] | None:
    """Of a model, or of all, what MLflow shows; who has neither aliases nor stages is left out.

    None where that cannot be read: there is no such file, it is locked, or its tables are not those that MLflow 3 has.
    MLflow promises nothing of its tables: nothing may be decided by this but whether to ask it.
    """
    only, named = ("", ()) if model is None else (" AND name = ?", (model,))
    try:
        with closing(sqlite3.connect(f"file:{quote(str(file))}?mode=ro", uri=True, timeout=1)) as connection:
            aliases = connection.execute(f"{_ALIASES} WHERE 1{only}", named).fetchall()
            stages = connection.execute(f"{_STAGES}{only}", named).fetchall()
    except sqlite3.Error:
        return None
    return _by_model(aliases, stages)


def _by_model(aliases: Iterable[tuple[str, str, int]], stages: Iterable[tuple[str, int, str]]) -> Mapping[str, Glanced]:
    found: dict[str, Glanced] = {}
    for name, alias, version in aliases:
        found.setdefault(name, ({}, {}))[0][alias] = int(version)
    for name, number, stage in stages:
        found.setdefault(name, ({}, {}))[1][int(number)] = stage
    return found

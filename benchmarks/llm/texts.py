"""Texts that every machine with the environment has: docstrings of the standard library, of numpy, of all packages."""

import ast
import re
import sysconfig
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

QUESTIONS = 1_808
"""So many questions are asked, drawn from all there are."""

_SHORTEST_QUESTION, _SHORTEST_REST, _LONGEST_REST = 20, 100, 1_000
_WORDS = range(5, 17)
_LEFT_OUT = frozenset({"test", "tests", "idle_test", "idlelib", "lib2to3", "turtledemo", "site-packages", "modelyard"})
_SENTENCE = re.compile(r"(?<=[.!?;:])\s+")


class Asked(NamedTuple):
    """A question, and the document that answers it."""

    question: str
    document: str


def asked(count: int = QUESTIONS) -> list[Asked]:
    """Docstrings of the standard library and numpy in two: the first paragraph is the question, the rest the document,
    of which 1,000 characters are taken (about what the embedder reads). Of docstrings with equal first paragraphs or
    equal rests none is taken: such a question has several answers."""
    library = Path(sysconfig.get_paths()["stdlib"])
    found: dict[str, list[str]] = {}
    for root in (library, Path(np.__file__).parent):
        for docstring in docstrings(root):
            first, _, rest = docstring.partition("\n\n")
            question, rest = " ".join(first.split()), rest.strip()[:_LONGEST_REST]
            if len(question) >= _SHORTEST_QUESTION and len(rest) >= _SHORTEST_REST:
                found.setdefault(question, []).append(rest)
    rests = [rest for each in found.values() for rest in set(each)]
    single = [
        Asked(question, each[0])
        for question, each in found.items()
        if len(set(each)) == 1 and rests.count(each[0]) == 1
    ]
    drawn = np.random.default_rng(0).permutation(len(single))[:count]
    return [single[at] for at in sorted(drawn)]


def sentences(count: int) -> list[str]:
    """Different sentences of 5 to 16 words, from docstrings of installed packages; as many as there are."""
    found: dict[str, None] = {}
    for docstring in docstrings(Path(sysconfig.get_paths()["purelib"])):
        for paragraph in docstring.split("\n\n"):
            for sentence in _SENTENCE.split(" ".join(paragraph.split())):
                if sentence.count(" ") + 1 in _WORDS and sum(map(str.isalpha, sentence)) > 0.6 * len(sentence):
                    found.setdefault(sentence)
    every = list(found)
    drawn = np.random.default_rng(0).permutation(len(every))[:count]
    return [every[at] for at in drawn]


def docstrings(root: Path) -> Iterator[str]:
    """Docstrings of modules, classes and functions below a folder, file by file by name; tests are left out."""
    for file in sorted(root.rglob("*.py")):
        if _LEFT_OUT.isdisjoint(file.relative_to(root).parts):
            yield from _docstrings(file)


def _docstrings(file: Path) -> Iterator[str]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # escapes in other people's strings
            tree = ast.parse(file.read_bytes())
    except (SyntaxError, ValueError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield ast.get_docstring(node) or ""

"""Whether an application may tell kept answers to who asks the same in other words: measured on pairs of questions."""

from pathlib import Path

import msgspec

from modelyard.core import Failed, InvalidInput, NotFound, digest_of
from modelyard.generation import Alike, what_is_asked
from modelyard.stats import at_most


class Pair(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Two questions, and whether one answer serves both."""

    one: str
    other: str
    same: bool


def measured(file: Path, bound: float) -> Alike:
    """What the comparison makes of the pairs in a file of JSON lines; Failed where it may be wrong too often.

    `bound` is the largest share of pairs with different answers that may be taken for the same, with a confidence of
    95%. It takes 299 such pairs without a mistake for one in a hundred.
    """
    if not file.is_file():
        raise NotFound(f"There is no file {file}.", code="NO_FILE", remedy="Name a file of JSON lines.")
    document = file.read_bytes()
    pairs = _read(file, document)
    taken = [(each, what_is_asked(each.one) == what_is_asked(each.other)) for each in pairs]
    different = [(each, alike) for each, alike in taken if not each.same]
    wrong = [each for each, alike in different if alike]
    made = Alike(
        pairs=digest_of(document),
        different=len(different),
        false_hits=len(wrong),
        at_most=at_most(len(wrong), len(different)),
        same=len(taken) - len(different),
        hits=sum(alike for each, alike in taken if each.same),
    )
    if made.at_most > bound:
        first = f" The first: '{wrong[0].one[:80]}' and '{wrong[0].other[:80]}'." if wrong else ""
        raise Failed(
            f"Up to {made.at_most:.3g} of questions with different answers may be taken for the same (of "
            f"{made.different} pairs {made.false_hits} were), and {bound:g} is allowed.{first}",
            code="FALSE_HITS",
            context={"false_hits": made.false_hits, "different": made.different, "at_most": made.at_most},
            remedy="Name more pairs with different answers, allow more by --false-hits, or leave --alike out.",
        )
    return made


def _read(file: Path, document: bytes) -> list[Pair]:
    found = []
    for number, line in enumerate(document.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            found.append(msgspec.json.decode(line, type=Pair))
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise InvalidInput(
                f"{file}, line {number}: {error}.",
                code="INVALID_PAIR",
                remedy='Write a line for each pair: {"one": "…", "other": "…", "same": false}',
            ) from error
    return found

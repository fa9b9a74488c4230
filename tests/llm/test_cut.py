"""Texts are cut into chunks that an embedder reads whole."""

from itertools import pairwise

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modelyard.inference import Embedder
from modelyard.llm.cut import cut
from modelyard.retrieval import Cutting

TEXT = "\n\n".join(f"Part {at} begins. It goes on. And it ends." for at in range(30))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    text=st.text(alphabet="ab .!?\n\f\t漢é🙂", max_size=400),
    tokens=st.integers(8, 40),
    overlap=st.integers(0, 4),
)
def test_nothing_is_lost_and_nothing_is_too_long(tiny: Embedder, text: str, tokens: int, overlap: int) -> None:
    """Every character that is no blank is in a chunk; chunks go forward, and have no blanks at their ends."""
    pieces = cut(text, Cutting(tokens, overlap), tiny)
    covered = {at for piece in pieces for at in range(piece.start, piece.end)}
    assert all(at in covered for at, each in enumerate(text) if not each.isspace())
    assert all(one.start < other.start and one.end < other.end for one, other in pairwise(pieces))
    for piece in pieces:
        stretch = text[piece.start : piece.end]
        assert stretch == stretch.strip()
        assert tiny.tokens([stretch])[0] <= tokens


def test_a_chunk_repeats_the_last_sentences_of_the_one_before(tiny: Embedder) -> None:
    """Whole ones, as far as the overlap goes; none without."""
    repeating, plain = cut(TEXT, Cutting(44, 20), tiny), cut(TEXT, Cutting(44, 0), tiny)
    assert any(other.start < one.end for one, other in pairwise(repeating))
    assert all(other.start > one.end for one, other in pairwise(plain))
    starts = {TEXT[piece.start : piece.start + 4] for piece in repeating}
    assert starts <= {"Part", "It g", "And "}


def test_the_embedder_is_never_given_more_than_it_reads(tiny: Embedder) -> None:
    """Whatever is asked for."""
    pieces = cut(TEXT, Cutting(1000, 0), tiny)
    assert max(piece.tokens for piece in pieces) <= tiny.max_tokens - 2


def test_a_sentence_that_is_too_long_is_cut_between_tokens(tiny: Embedder) -> None:
    """No word of two letters is torn here, for each letter is a token."""
    text = "x" * 95
    pieces = cut(text, Cutting(30, 0), tiny)
    assert [(piece.start, piece.end) for piece in pieces] == [(0, 30), (30, 60), (60, 90), (90, 95)]
    assert cut(" \n ", Cutting(), tiny) == []

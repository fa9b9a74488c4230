"""Limits on metrics, as the command line writes them."""

from modelyard.core import InvalidInput


def limit_of(written: str) -> tuple[str, float]:
    """The metric and the number of METRIC=VALUE."""
    name, _, value = written.partition("=")
    try:
        return name, float(value)
    except ValueError as error:
        raise InvalidInput(
            f"The limit '{written[:120]}' has no number.", code="WRONG_LIMIT", remedy="Write --least recall@10=0.8."
        ) from error

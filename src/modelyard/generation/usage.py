"""What an answer cost: whole micros, by a price list, each token once."""

from .records import TOKENS_PRICED, Price, Usage


def cost_micros(usage: Usage, price: Price) -> int:
    """What tokens cost in whole micros, a fraction counted as one. Cached tokens are part of the input."""
    cached = min(usage.cached, usage.input)
    dear = (usage.input - cached) * price.input + usage.output * price.output
    cheap = cached * (price.input if price.cached is None else price.cached)
    return -(-(dear + cheap) // TOKENS_PRICED)


def most_tokens(body_bytes: int, messages: int, longest_answer: int) -> Usage:
    """The most tokens that a request can come to: no tokenizer that falls back on bytes makes more than one of each.

    What a model's template puts around a message is taken as sixteen tokens, and as sixty-four around all of them.
    """
    return Usage(body_bytes + 16 * messages + 64, longest_answer, told=False)

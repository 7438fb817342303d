"""Tokens and money: what a call of the larger model costs, and what it would have cost. Pure."""

from typing import Literal

import msgspec

from shoal.errors import InputError
from shoal.tasks import Usage

# One token is about four characters of English (the rule of thumb of OpenAI's and Anthropic's pricing pages). Counted
# in UTF-8 bytes, so that scripts of two and three bytes a character, which take more tokens, count for more.
BYTES_PER_TOKEN = 4
# What chat formats add for roles and separators around the messages of a request.
CHAT_TOKENS = 8


class Price(msgspec.Struct, frozen=True):
    """US dollars per million tokens.

    Raises:
        InputError: a price is negative.
    """

    input: float
    output: float

    def __post_init__(self) -> None:
        for name, value in (("input", self.input), ("output", self.output)):
            if not value >= 0:
                raise InputError(f"the {name} price is {value}; it must be 0 or more, in US dollars per million tokens")


def cost(usage: Usage, price: Price) -> float:
    """Return the cost of `usage` in US dollars."""
    return (usage.input_tokens * price.input + usage.output_tokens * price.output) / 1_000_000


def count_tokens_estimate(text: str) -> int:
    """Estimate the tokens of `text`: a quarter of its UTF-8 bytes, rounded up."""
    return -(-len(text.encode("utf-8", "replace")) // BYTES_PER_TOKEN)


class Baseline(msgspec.Struct, frozen=True):
    """What the larger model alone would have been given for a request, and have cost.

    Attributes:
        usage: tokens.
        cost_usd: US dollars.
        method: "measured" from the mean of real calls, or "estimated" from the text's length.
    """

    usage: Usage
    cost_usd: float
    method: Literal["measured", "estimated"]


def baseline(text: str, price: Price, *, prompt: str, answer: str, measured: Usage | None = None) -> Baseline:
    """Say what the larger model alone would have cost for one request.

    Estimated, it is one chat call: input = tokens(prompt) + tokens(text) + CHAT_TOKENS, output = tokens(answer), each
    token count by `count_tokens_estimate`. Retries, failed calls and a provider's minimum charges are left out, so the
    estimate is rather low.

    Args:
        text: the request's text.
        price: of the larger model.
        prompt: the fixed part of the prompt it would get: instructions, label list, examples.
        answer: the answer it would write (the label, in its JSON wrapping if there is one).
        measured: mean tokens of real calls for the same route, rounded; used instead of the estimate when given.
    """
    if measured is not None:
        return Baseline(measured, cost(measured, price), "measured")
    usage = Usage(
        input_tokens=count_tokens_estimate(prompt) + count_tokens_estimate(text) + CHAT_TOKENS,
        output_tokens=count_tokens_estimate(answer),
    )
    return Baseline(usage, cost(usage, price), "estimated")

"""What an answer took: tokens of a larger model, and where the time went."""

import msgspec


class Usage(msgspec.Struct, frozen=True):
    """Tokens that a larger model was given and produced."""

    input_tokens: int = 0
    output_tokens: int = 0


class Timings(msgspec.Struct, frozen=True):
    """Where the time of one request went, in milliseconds."""

    queue_ms: float = 0.0
    model_ms: float = 0.0
    llm_ms: float = 0.0
    total_ms: float = 0.0

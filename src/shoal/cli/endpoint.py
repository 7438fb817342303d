"""The connection to a larger model, as shoal.toml and the environment say."""

import os
from typing import TYPE_CHECKING

from shoal.errors import EnvironmentProblem

if TYPE_CHECKING:
    from shoal.config import LLMConfig
    from shoal.llm import Endpoint


def endpoint_of(name: str, config: "LLMConfig") -> "Endpoint":
    """Make the endpoint of `[llms.NAME]`.

    Raises:
        EnvironmentProblem: the environment variable with its key is not set.
    """
    from shoal.llm import Endpoint

    key = os.environ.get(config.api_key_env) if config.api_key_env else None
    if config.api_key_env and not key:
        raise EnvironmentProblem(
            f"the environment variable {config.api_key_env}, from which [llms.{name}] takes its key, is not set. "
            "Set it, or remove api_key_env to pass on the callers' own keys."
        )
    return Endpoint(
        name,
        config.base_url,
        config.model,
        api_key=key,
        timeout_s=config.timeout_s,
        retries=config.retries,
        max_concurrency=config.max_concurrency,
    )

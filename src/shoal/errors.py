"""Every error that shoal raises on purpose.

ShoalError
  + InputError                 what the user gave cannot be used               exit 2, HTTP 400
  |   + ConfigError            shoal.toml; carries every mistake at once
  |   + DataError              training or prediction rows
  |   + RequestError           an HTTP request (400, 404, 413, 415, 422)
  |   + NotFoundError          a name, version or alias that does not exist    HTTP 404
  |   + ArtifactError          a model folder that is damaged or too new       HTTP 500
  + EnvironmentProblem         disk, missing extra, port in use, permissions   exit 3, HTTP 500
  + GateFailed                 the version was measured and may not pass       exit 1
  + OverloadedError            more work than the bounded queues hold          HTTP 429
  + LLMError                   the larger model could not answer               HTTP 502
      + LLMTimeout             ... in time                                     HTTP 504
      + LLMUnavailable         ... the circuit is open or it cannot be reached HTTP 503

A message names the thing, the value that was seen, what is allowed, and what to do; it is one or two plain sentences
that a person can act on. `code` is a stable identifier for programs.
"""

from typing import ClassVar


class ShoalError(Exception):
    """Base of all errors; `code` for programs, `exit_code` for the shell, `http_status` for the gateway."""

    code: ClassVar[str] = "shoal_error"
    exit_code: ClassVar[int] = 3
    http_status: int = 500

    @property
    def message(self) -> str:
        """The sentence a person reads."""
        return str(self)


class InputError(ShoalError):
    """What the user gave cannot be used."""

    code = "bad_input"
    exit_code = 2
    http_status = 400


class ConfigError(InputError):
    """One or more mistakes in shoal.toml, all reported together.

    Args:
        mistakes: one sentence each, already carrying `file:line`.
    """

    code = "bad_config"

    def __init__(self, mistakes: list[str]) -> None:
        self.mistakes = mistakes
        super().__init__("\n".join(mistakes))


class DataError(InputError):
    """Rows that cannot be read or trained on; names the file, the line and the column where there are such."""

    code = "bad_data"


class RequestError(InputError):
    """A request over HTTP that cannot be served; the status says why."""

    code = "bad_request"

    def __init__(self, message: str, *, status: int = 400, param: str | None = None) -> None:
        super().__init__(message)
        self.http_status = status
        self.param = param


class NotFoundError(InputError):
    """A specialist, version or alias that does not exist; the message lists what does."""

    code = "not_found"
    http_status = 404


class ArtifactError(InputError):
    """A model folder that is incomplete, damaged, or written by a newer shoal; names the file."""

    code = "bad_artifact"
    http_status = 500


class EnvironmentProblem(ShoalError):
    """The machine is in the way: disk full, a missing extra, a port in use, permissions."""

    code = "environment"
    exit_code = 3


class GateFailed(ShoalError):
    """A version was trained and measured, and the rules do not let it pass."""

    code = "gate_failed"
    exit_code = 1


class OverloadedError(ShoalError):
    """The bounded queues are full; try again later."""

    code = "overloaded"
    http_status = 429


class LLMError(ShoalError):
    """The larger model could not give a usable answer."""

    code = "llm_error"
    http_status = 502


class LLMTimeout(LLMError):
    """The larger model did not answer within its time-out."""

    code = "llm_timeout"
    http_status = 504


class LLMUnavailable(LLMError):
    """The larger model cannot be reached, or its circuit is open after repeated failures."""

    code = "llm_unavailable"
    http_status = 503

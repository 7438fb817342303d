"""What the server says about itself: what can be asked for, and how it is."""

from typing import Literal

import msgspec

from shoal.ledger import LedgerHealth
from shoal.serving import SpecialistHealth


class Model(msgspec.Struct):
    """Something that can be asked for as `model`."""

    id: str
    owned_by: str
    created: int = 0  # clients want a number; when the model was made stands in the registry
    object: Literal["model"] = "model"


class ModelList(msgspec.Struct):
    """Everything that can be asked for."""

    data: list[Model]
    object: Literal["list"] = "list"


class LedgerState(msgspec.Struct):
    """How the ledger is; "off" when the server keeps none."""

    state: Literal["ok", "failing", "off"]
    queued: int = 0
    dropped: int = 0
    rejected: int = 0
    last_error: str | None = None

    @classmethod
    def of(cls, health: LedgerHealth | None) -> "LedgerState":
        """Return the state that the ledger's own counts amount to."""
        if health is None:
            return cls("off")
        return cls("ok" if health.ok else "failing", health.queued, health.dropped, health.rejected, health.last_error)


class HealthResponse(msgspec.Struct):
    """How the server is.

    "ok": everything works. "degraded": it answers, but a specialist fails, a newer champion could not be loaded, or
    the ledger cannot be written. "failing": no specialist can answer.
    """

    status: Literal["ok", "degraded", "failing"]
    version: str
    specialists: dict[str, SpecialistHealth]
    llms: dict[str, str]
    ledger: LedgerState

    @classmethod
    def of(
        cls, version: str, specialists: dict[str, SpecialistHealth], llms: dict[str, str], ledger: LedgerState
    ) -> "HealthResponse":
        """Return the sum of the parts."""
        failing = [one for one in specialists.values() if one.state == "failing"]
        status: Literal["ok", "degraded", "failing"] = "ok"
        if failing or ledger.state == "failing" or any(one.update_error for one in specialists.values()):
            status = "degraded"
        if failing and len(failing) == len(specialists):
            status = "failing"
        return cls(status, version, specialists, llms, ledger)

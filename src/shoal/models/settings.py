"""What `specialist.json` holds: a specialist without the weights of its scorers, which it names by their number."""

from collections.abc import Sequence
from typing import Any, Self

import msgspec
import numpy as np

from shoal.calibration import Certificate, Outside, Scope
from shoal.models.scorer import Scorer
from shoal.models.tier import Tier, View
from shoal.tasks import Classification


class ViewSettings(msgspec.Struct, frozen=True):
    """A `View`; `scorer` is the number of its folder."""

    scorer: int
    weight: float
    temperature: float


class TierSettings(msgspec.Struct, frozen=True, kw_only=True):
    """A `Tier`."""

    name: str
    views: list[ViewSettings]
    temperature: float
    scope: Scope | None
    threshold: float | None
    scope_level: float
    offset: list[float] | None = None
    outside: Outside | None = None
    outside_threshold: float | None = None

    @classmethod
    def of(cls, tier: Tier, scorers: Sequence[Scorer]) -> Self:
        """Describe a tier whose scorers are all among `scorers`."""
        number = {id(scorer): index for index, scorer in enumerate(scorers)}
        return cls(
            name=tier.name,
            views=[ViewSettings(number[id(view.scorer)], view.weight, view.temperature) for view in tier.views],
            temperature=tier.temperature,
            scope=tier.scope,
            threshold=tier.threshold,
            scope_level=tier.scope_level,
            offset=None if tier.offset is None else tier.offset.tolist(),
            outside=tier.outside,
            outside_threshold=tier.outside_threshold,
        )

    def tier(self, scorers: Sequence[Scorer]) -> Tier:
        """Build the tier again."""
        return Tier(
            name=self.name,
            views=tuple(View(scorers[view.scorer], view.weight, view.temperature) for view in self.views),
            temperature=self.temperature,
            scope=self.scope,
            threshold=self.threshold,
            scope_level=self.scope_level,
            offset=None if self.offset is None else np.array(self.offset, np.float32),
            outside=self.outside,
            outside_threshold=self.outside_threshold,
        )


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """A `Specialist`; `scorers` are kinds, in the order of their folders."""

    name: str
    task: dict[str, Any]
    scorers: list[str]
    tiers: list[TierSettings]
    certificate: Certificate | None
    provenance: dict[str, Any]
    outside_certificate: Certificate | None = None
    truth_certificate: Certificate | None = None

    def classification(self) -> Classification:
        """Build the task again; raises ValueError when it is not one."""
        return Classification.model_validate(self.task)

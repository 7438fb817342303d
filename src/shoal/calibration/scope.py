"""Is this text of the kind seen in training? A conformal p-value of its energy among held-out in-scope texts."""

from functools import cached_property
from typing import Self

import msgspec
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]


class Scope(msgspec.Struct, frozen=True, dict=True):
    """Energies of held-out in-scope rows, rising; a plain list on disk.

    Attributes:
        energies: reference energies, higher = more in scope.
    """

    energies: tuple[float, ...]

    @classmethod
    def fit(cls, energies: Floats) -> Self:
        """Keep the energies [n] of rows that trained nothing (the dev rows)."""
        return cls(tuple(float(energy) for energy in np.sort(energies)))

    def p_value(self, energies: Floats) -> NDArray[np.float64]:
        """Conformal p-values in (0, 1] for energies [n] (Vovk et al. 2005; Bates et al. 2023).

        For a text from the distribution of the reference rows, P(p <= u) <= u: refusing those with p <= 0.02 turns away
        at most 2 % of in-scope traffic.
        """
        not_higher = np.searchsorted(self._reference, energies, side="right")
        return (1.0 + not_higher) / (len(self.energies) + 1)

    @cached_property
    def _reference(self) -> NDArray[np.float64]:
        return np.asarray(self.energies)

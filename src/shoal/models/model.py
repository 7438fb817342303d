"""What every kind of specialist has in common, whatever its task."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from shoal.calibration import Certificate
from shoal.models.artifact import Manifest
from shoal.tasks import Prediction, Task


class Model(Protocol):
    """A trained model for one task: texts in, predictions out, on disk one folder."""

    @property
    def name(self) -> str:
        """What it is called."""
        ...

    @property
    def task(self) -> Task:
        """What is asked of it."""
        ...

    @property
    def certificate(self) -> Certificate | None:
        """The promise about accepted answers and its evidence; None before calibration."""
        ...

    @property
    def report(self) -> Mapping[str, Any]:
        """The evaluation report, JSON-serialisable."""
        ...

    @property
    def provenance(self) -> Mapping[str, Any]:
        """Data hash, seed, recipe, training seconds, joules, library versions."""
        ...

    @property
    def size_bytes(self) -> int:
        """Bytes of the models on disk."""
        ...

    @property
    def brief(self) -> bool:
        """Whether it answers in microseconds a text."""
        ...

    def predict(self, texts: Sequence[str]) -> Sequence[Prediction]:
        """Answer each text, in order.

        Raises:
            InputError: `texts` is not a list of strings.
        """
        ...

    def save(
        self, folder: str | Path, *, overwrite: bool = False, documents: Mapping[str, str] | None = None
    ) -> Manifest:
        """Write the model as one folder, whole or not at all.

        Raises:
            InputError: the folder is taken.
            EnvironmentProblem: disk full, permissions.
        """
        ...

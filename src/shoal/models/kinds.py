"""Which class opens the folder of which task."""

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shoal.models.folder import task_kind

if TYPE_CHECKING:
    from shoal.models.model import Model

# Module and class by kind of task; loaded when a folder of that kind is opened.
_HOME = {
    "classification": ("shoal.models.specialist", "Specialist"),
    "multilabel": ("shoal.models.multilabel", "MultiLabelSpecialist"),
    "tagging": ("shoal.models.tagger", "Tagger"),
    "summarization": ("shoal.models.summarizer", "Summarizer"),
    "extraction": ("shoal.models.extractor", "Extractor"),
}


def load(folder: str | Path, *, threads: int | None = None) -> "Model":
    """Open the folder of a model for any task, after checking every byte of it.

    Args:
        folder: the model folder.
        threads: CPU threads that one call of an encoder may use; None takes all cores.

    Raises:
        ArtifactError: not a model folder, damaged, or written by a newer shoal; names the file.
        EnvironmentProblem: it cannot be read.
    """
    # What cannot be told is opened as a classifier, whose checks say what is wrong with the folder.
    module, name = _HOME.get(task_kind(folder), _HOME["classification"])
    opened: Any = getattr(import_module(module), name)
    return opened.load(folder, threads=threads)

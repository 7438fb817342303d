"""A specialist on disk and in memory; serving it takes numpy, tokenizers and onnxruntime, each loaded on first use."""

from shoal.models.artifact import Manifest, read_manifest, verify
from shoal.models.folder import task_kind
from shoal.models.model import Model
from shoal.models.scorer import Logits, Scorer, open_scorer
from shoal.models.specialist import Judgement, Specialist
from shoal.models.tier import Reading, Tier, View

load = Specialist.load

__all__ = [
    "Judgement",
    "Logits",
    "Manifest",
    "Model",
    "Reading",
    "Scorer",
    "Specialist",
    "Tier",
    "View",
    "load",
    "open_scorer",
    "read_manifest",
    "task_kind",
    "verify",
]

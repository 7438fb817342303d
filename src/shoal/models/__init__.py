"""A specialist on disk and in memory; serving it takes numpy, tokenizers and onnxruntime, each loaded on first use."""

from shoal.models.artifact import Manifest, read_manifest, verify
from shoal.models.kinds import load
from shoal.models.model import Model
from shoal.models.multilabel import (
    LabelJudgement,
    LabelPolicy,
    LabelView,
    MultiLabelSpecialist,
    whole_confidence,
)
from shoal.models.scorer import Logits, Scorer, open_scorer
from shoal.models.specialist import Judgement, Specialist
from shoal.models.tier import Reading, Tier, View

__all__ = [
    "Judgement",
    "LabelJudgement",
    "LabelPolicy",
    "LabelView",
    "Logits",
    "Manifest",
    "Model",
    "MultiLabelSpecialist",
    "Reading",
    "Scorer",
    "Specialist",
    "Tier",
    "View",
    "load",
    "open_scorer",
    "read_manifest",
    "verify",
    "whole_confidence",
]

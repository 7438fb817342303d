"""Answer requests: batches for the models, several specialists resident, hot swap."""

from shoal.serving.batcher import Answered, Batcher, Counters, Limits
from shoal.serving.engine import Engine, Resident, SpecialistHealth

__all__ = ["Answered", "Batcher", "Counters", "Engine", "Limits", "Resident", "SpecialistHealth"]

"""Answer requests: batches for the models, several specialists resident, hot swap."""

from shoal.serving.batcher import Answered, Batcher, Counters, Limits, QueueFull
from shoal.serving.engine import Engine, Resident, SpecialistHealth

__all__ = ["Answered", "Batcher", "Counters", "Engine", "Limits", "QueueFull", "Resident", "SpecialistHealth"]

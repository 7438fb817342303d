"""Answer requests: batches for the models, several specialists resident, hot swap."""

from shoal.serving.batcher import Answered, Batcher, Counters, Limits, QueueFull
from shoal.serving.engine import Engine, Resident, SpecialistHealth
from shoal.serving.question import Item, Question, text_of

__all__ = [
    "Answered",
    "Batcher",
    "Counters",
    "Engine",
    "Item",
    "Limits",
    "Question",
    "QueueFull",
    "Resident",
    "SpecialistHealth",
    "text_of",
]

"""What answers cost: money for the larger model, energy for the small ones."""

from shoal.meter.cost import Baseline, Price, baseline, cost, count_tokens_estimate
from shoal.meter.energy import JOULES_PER_KWH, WATTS_PER_CORE, EnergyMeter, Method, energy_cost

__all__ = [
    "JOULES_PER_KWH",
    "WATTS_PER_CORE",
    "Baseline",
    "EnergyMeter",
    "Method",
    "Price",
    "baseline",
    "cost",
    "count_tokens_estimate",
    "energy_cost",
]

"""shoal.toml: what a project is made of, read and checked as a whole."""

from shoal.config.load import load
from shoal.config.schema import (
    EnergyConfig,
    GateConfig,
    GuaranteeConfig,
    LedgerConfig,
    LLMConfig,
    PriceConfig,
    Project,
    ServeConfig,
    SpecialistConfig,
)

__all__ = [
    "EnergyConfig",
    "GateConfig",
    "GuaranteeConfig",
    "LLMConfig",
    "LedgerConfig",
    "PriceConfig",
    "Project",
    "ServeConfig",
    "SpecialistConfig",
    "load",
]

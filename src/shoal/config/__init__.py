"""shoal.toml: what a project is made of, read and checked as a whole."""

from shoal.config.load import load, read_schema_file
from shoal.config.schema import (
    BehaviourConfig,
    EnergyConfig,
    GateConfig,
    GuaranteeConfig,
    LedgerConfig,
    LLMConfig,
    PriceConfig,
    Project,
    ServeConfig,
    SlicesConfig,
    SpecialistConfig,
)

__all__ = [
    "BehaviourConfig",
    "EnergyConfig",
    "GateConfig",
    "GuaranteeConfig",
    "LLMConfig",
    "LedgerConfig",
    "PriceConfig",
    "Project",
    "ServeConfig",
    "SlicesConfig",
    "SpecialistConfig",
    "load",
    "read_schema_file",
]

"""The registry: immutable, content-addressed versions of each specialist, and movable names (aliases) for them."""

from shoal.registry.aliases import AliasMove
from shoal.registry.store import CHAMPION, ModelVersion, Registry

__all__ = ["CHAMPION", "AliasMove", "ModelVersion", "Registry"]

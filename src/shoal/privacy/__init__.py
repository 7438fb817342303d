"""Personal data in a text: rules that find structured identifiers, and how overlapping findings are resolved."""

from shoal.privacy.overlaps import Finding, resolve
from shoal.privacy.rules import DEFAULT_REGIONS, KINDS, Rules

__all__ = ["DEFAULT_REGIONS", "KINDS", "Finding", "Rules", "resolve"]

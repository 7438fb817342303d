"""May this version be released? Rules against a report and, paired on the same rows, against the champion. Pure."""

from shoal.gate.champion import against_champion
from shoal.gate.check import check
from shoal.gate.unmeasured import check_unmeasured
from shoal.gate.verdict import Rule, Rules, Verdict

__all__ = ["Rule", "Rules", "Verdict", "against_champion", "check", "check_unmeasured"]

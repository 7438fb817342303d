"""May this version be released? Rules against a report and, paired on the same rows, against the champion. Pure."""

from shoal.gate.champion import against_champion
from shoal.gate.check import check
from shoal.gate.outcome import check_task
from shoal.gate.unmeasured import check_unmeasured
from shoal.gate.verdict import Rule, Rules, TaskRules, Verdict

__all__ = ["Rule", "Rules", "TaskRules", "Verdict", "against_champion", "check", "check_task", "check_unmeasured"]

"""Behavioural tests (CheckList, Ribeiro et al. 2020): what a specialist does to texts of a certain kind."""

from shoal.behaviour.run import BehaviourResult, Failure, run
from shoal.behaviour.suite import Suite, load

__all__ = ["BehaviourResult", "Failure", "Suite", "load", "run"]

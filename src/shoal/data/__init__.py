"""Rows in: read, checked, split; and public data sets at pinned sources."""

from shoal.data.answers import Answers, read_answers, usable
from shoal.data.check import DataReport, Problem, check
from shoal.data.dataset import SPLITS, Dataset, Row, Split, normalised
from shoal.data.leaks import drop_leaks, unseen
from shoal.data.public import load_out_of_scope, load_public
from shoal.data.read import Source, read
from shoal.data.split import rows_for_calibration, split
from shoal.data.targets import COLUMN, Target
from shoal.data.terms import Terms, whole_words
from shoal.data.thin import thin

__all__ = [
    "COLUMN",
    "SPLITS",
    "Answers",
    "DataReport",
    "Dataset",
    "Problem",
    "Row",
    "Source",
    "Split",
    "Target",
    "Terms",
    "check",
    "drop_leaks",
    "load_out_of_scope",
    "load_public",
    "normalised",
    "read",
    "read_answers",
    "rows_for_calibration",
    "split",
    "thin",
    "unseen",
    "usable",
    "whole_words",
]

"""Reports that people read: what was saved, how good a specialist is, what a document holds."""

from shoal.report.evaluation import evaluation_html
from shoal.report.evaluation_text import evaluation_markdown, model_card
from shoal.report.figures import promise
from shoal.report.outcome import figure_name, outcome_card, outcome_html, outcome_markdown, promise_lines
from shoal.report.review import review_html, review_markdown, review_summary
from shoal.report.savings import Savings, savings
from shoal.report.savings_views import savings_html, savings_table
from shoal.report.teaching import teacher_lines
from shoal.report.unmeasured import rows_needed, unmeasured_card

__all__ = [
    "Savings",
    "evaluation_html",
    "evaluation_markdown",
    "figure_name",
    "model_card",
    "outcome_card",
    "outcome_html",
    "outcome_markdown",
    "promise",
    "promise_lines",
    "review_html",
    "review_markdown",
    "review_summary",
    "rows_needed",
    "savings",
    "savings_html",
    "savings_table",
    "teacher_lines",
    "unmeasured_card",
]

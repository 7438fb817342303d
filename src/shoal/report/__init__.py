"""Reports that people read: what was saved, and how good a specialist is."""

from shoal.report.savings import Savings, savings
from shoal.report.savings_views import savings_html, savings_table

__all__ = ["Savings", "savings", "savings_html", "savings_table"]

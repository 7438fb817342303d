"""The larger model: any OpenAI-compatible endpoint, asked within bounds and never believed unchecked."""

from shoal.llm.breaker import Breaker, backoff_s
from shoal.llm.classify import (
    Labelled,
    Labelling,
    Spent,
    chat_messages,
    classify,
    completion_prompt,
    grammar,
    read_label,
)
from shoal.llm.client import Completion, Endpoint, Refused, Upstream
from shoal.llm.examples import ExampleIndex
from shoal.llm.label_sets import label_set, read_label_set
from shoal.llm.quotations import read_spans, read_summary, spans, summary
from shoal.llm.records import read_values, record, record_prompt

__all__ = [
    "Breaker",
    "Completion",
    "Endpoint",
    "ExampleIndex",
    "Labelled",
    "Labelling",
    "Refused",
    "Spent",
    "Upstream",
    "backoff_s",
    "chat_messages",
    "classify",
    "completion_prompt",
    "grammar",
    "label_set",
    "read_label",
    "read_label_set",
    "read_spans",
    "read_summary",
    "read_values",
    "record",
    "record_prompt",
    "spans",
    "summary",
]

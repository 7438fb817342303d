"""The gateway: specialists and larger models behind one OpenAI-compatible address."""

from shoal.gateway.app import create_app
from shoal.gateway.desk import LLM, Desk, Plan, default_llm

__all__ = ["LLM", "Desk", "Plan", "create_app", "default_llm"]

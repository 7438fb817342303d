"""Whole documents: text, Markdown, HTML, PDF and DOCX as plain text with sections, segments and offsets."""

from shoal.documents.document import Block, Document, Segment
from shoal.documents.outline import LONGEST
from shoal.documents.reading import SUFFIXES, parse, read, read_bytes

__all__ = ["LONGEST", "SUFFIXES", "Block", "Document", "Segment", "parse", "read", "read_bytes"]

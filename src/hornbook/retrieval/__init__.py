"""Finding the page: documents cut into passages, a full-text index of them, and the search."""

from hornbook.retrieval.index import Hit, Index
from hornbook.retrieval.passages import Passage, cut

__all__ = ["Hit", "Index", "Passage", "cut"]

"""Similarities and their log-sum-exp, without the matrix."""

from core.similarity.cross import cross_logsumexp
from core.similarity.logsumexp import similarity_logsumexp

__all__ = ["cross_logsumexp", "similarity_logsumexp"]

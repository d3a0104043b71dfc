"""Similarities and their log-sum-exp, without the matrix."""

from core.similarity.logsumexp import similarity_logsumexp

__all__ = ["similarity_logsumexp"]

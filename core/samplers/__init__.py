"""Where positives and negatives come from."""

from core.samplers.queue import MemoryQueue

__all__ = ["MemoryQueue"]

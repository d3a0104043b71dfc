"""Conflicts resolved by a language model that reads examples from the same table."""

from domains.tables.conflicts.in_context.resolver import InContext

__all__ = ["InContext"]

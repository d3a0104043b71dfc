"""Blocking: which pairs of rows are worth comparing.

Light to import, since settings name a blocker before anything is read.
"""

__all__ = ["BLOCKERS"]

BLOCKERS = ("auto", "nearest_rows", "shared_values", "token_index", "minhash", "all")
"""What `domains.tables.blocking.default.blocker_of` knows."""

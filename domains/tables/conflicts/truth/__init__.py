"""Truth discovery: which of several claims is right, and how reliable each source is, learned together."""

from domains.tables.conflicts.truth.accu import Accu
from domains.tables.conflicts.truth.claims import ClaimGraph, Truth, TruthMethod
from domains.tables.conflicts.truth.majority_vote import MajorityVote
from domains.tables.conflicts.truth.slimfast import SlimFast
from domains.tables.conflicts.truth.truth_finder import TruthFinder

__all__ = ["Accu", "ClaimGraph", "MajorityVote", "SlimFast", "Truth", "TruthFinder", "TruthMethod"]

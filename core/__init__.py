"""The shared contrastive core: losses, samplers, heads, evaluation, training. Knows no domain.

Importing ``core`` is free: every subpackage loads torch only when it is imported itself.
"""

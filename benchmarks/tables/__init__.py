"""The tables study: integration, conflicts, cost."""

"""One package per domain; each knows ``core`` and never another domain."""

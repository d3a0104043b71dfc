"""One runnable study per domain, plus ``losses``. Imports core and domains; imported by the command only."""

"""The ``counterpoint`` command. Light to import: what a sub-command needs is loaded when it is chosen."""

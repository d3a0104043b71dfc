"""The run-time type checker that the import hook of the test run applies to every function of the suite."""

from beartype import BeartypeConf, beartype

# An int where a float is asked for is correct by PEP 484, and mypy takes it: so does the test run.
checked = beartype(conf=BeartypeConf(is_pep484_tower=True))

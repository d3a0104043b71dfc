"""The commands of the tables domain, and the data it brings along."""

from __future__ import annotations

from core.plugins import Command, Domain
from domains.tables.data.embedded.load import EMBEDDED
from domains.tables.project.command_list import PROJECT_COMMANDS

__all__ = ["DOMAIN"]

DOMAIN = Domain(
    name="tables",
    summary="from several messy tables to one clean table, without labels, reviewed in the browser",
    methods="domains.tables:METHODS",
    task="domains.tables.task:TableTask",
    catalogue="domains.tables",
    embedded=EMBEDDED,
    commands=(
        Command(
            "integrate",
            "do everything in one go: from files to one clean table",
            "counterpoint tables integrate libraries --out golden.csv",
            "domains.tables.jobs:integrate_command",
        ),
        *PROJECT_COMMANDS,
    ),
)

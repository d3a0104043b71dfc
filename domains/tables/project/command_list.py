"""The commands of a project, for the list of the domain; nothing is imported until one is chosen."""

from __future__ import annotations

from core.plugins import Command

__all__ = ["PROJECT_COMMANDS"]

_C = "domains.tables.project.commands"

PROJECT_COMMANDS = (
    Command("init", "read messy tables into a project folder and say what is in them",
            "counterpoint tables init shops a.csv b.parquet 'duckdb:///x.db?table=t'", f"{_C}:init_command"),
    Command("align", "propose which columns belong together (mapping.yaml), and stack the rows",
            "counterpoint tables align shops", f"{_C}:align_command"),
    Command("block", "find the pairs of rows worth comparing; shows what that costs",
            "counterpoint tables block shops", f"{_C}:block_command"),
    Command("match", "learn, without labels, how probable it is that two rows are the same thing",
            "counterpoint tables match shops", f"{_C}:match_command"),
    Command("cluster", "find sets of rows that are one thing, and list the suspicious ones",
            "counterpoint tables cluster shops", f"{_C}:cluster_command"),
    Command("resolve", "choose one value where the rows of a set disagree",
            "counterpoint tables resolve shops", f"{_C}:resolve_command"),
    Command("review", "open the review page of a project in the browser",
            "counterpoint tables review shops", f"{_C}:review_command"),
    Command("export", "write the golden table, where each row went, and why",
            "counterpoint tables export shops --out result --kind csv", f"{_C}:export_command"),
    Command("explain", "say why two rows are, or are not, one thing",
            "counterpoint tables explain shops a:0 b:3", f"{_C}:explain_command"),
    Command("evaluate", "score a project against known entities, or score saved models again",
            "counterpoint tables evaluate shops --truth truth.csv", f"{_C}:evaluate_command"),
    Command("apply", "find the entities of new rows with the trained project; nothing is learned",
            "counterpoint tables apply shops new.csv --out new_entities.csv", f"{_C}:apply_command"),
    Command("report", "write one HTML page about a project, which needs no other file",
            "counterpoint tables report shops --out shops.html", f"{_C}:report_command"),
    Command("status", "say which steps of a project have to be run again, and why",
            "counterpoint tables status shops", f"{_C}:status_command"),
)  # fmt: skip
"""In the order of the flow."""

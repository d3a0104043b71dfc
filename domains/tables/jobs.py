"""``counterpoint tables integrate``: from files to one clean table in one go."""

from __future__ import annotations

import time
from typing import Any

from core.errors import UserError
from domains.tables.data.export import write_table
from domains.tables.data.locate import Location, locate
from domains.tables.data.output import check_file, check_output
from domains.tables.data.rejects import write_rejects
from domains.tables.engine import engine_of
from domains.tables.integration import Integration, integrate
from domains.tables.outcome import FileKind, check_tables, write_tables
from domains.tables.project.screen import print_json, print_rows
from domains.tables.seeds import check_seed

__all__ = ["integrate_command"]


def integrate_command(
    *sources: str,
    out: str,
    details: str = "",
    kind: FileKind = "csv",
    threshold: float = -1.0,
    method: str = "average_linkage",
    one_per_source: bool = False,
    rules: str = "majority",
    no_guard: bool = False,
    seed: int = 0,
    engine: str = "local",
    json_: bool = False,
) -> None:
    """Read, align, match, find sets and resolve conflicts; write one clean table.

    Args:
        sources: files, folders, wildcards, duckdb:///FILE?table=T, or libraries, a small embedded set
        out: file for the golden table, .csv, .tsv, .parquet, .jsonl, .xlsx or duckdb:///FILE?table=T
        details: folder for golden, rows, provenance and conflicts as tables
        kind: form of the tables in --details
        threshold: least probability that two rows are one thing, 0 to 1; -1 lets the tool choose
        method: how sets are found, such as average_linkage, components, louvain
        one_per_source: take at most one row of a source into a set; it loses true pairs within sources
        rules: how conflicts are resolved, for all columns (majority) or some (name=longest;phone=newest:updated)
        no_guard: do not put an apostrophe before cells that a spreadsheet would run as formulas
        seed: of all random draws
        engine: where pairs are found and compared: local, ray, or ray:ADDRESS of a cluster
        json_: print one JSON object
    """
    if not sources:
        raise UserError("nothing to integrate; name files, folders or databases, or libraries for an embedded set")
    check_seed(seed, "--seed")
    start = time.perf_counter()
    rejects = Location.of(out).path.with_suffix(".rejects.csv")
    inputs = [place for source in sources for place in locate(source)]
    check_output(out, inputs)
    check_file(rejects, inputs)
    if details:
        check_tables(details, kind, inputs)
    found = integrate(
        list(sources),
        threshold=None if threshold == -1 else threshold,
        method=method,
        one_per_source=one_per_source,
        rules=_rules(rules),
        seed=seed,
        engine=engine_of(engine),
    )
    written = write_table(found.golden, out, guard_formulas=not no_guard)
    files = {"golden": str(written.path)}
    rejected = sum(len(source.rejects) for source in found.sources)
    if rejected:
        files["rejects"] = str(rejects)
        write_rejects(found.sources, rejects)
    if details:
        write_tables(found.tables(), details, kind=kind, guard_formulas=not no_guard)
        files["details"] = details
    facts = _facts(found, rejected, written.guarded, time.perf_counter() - start)
    if json_:
        print_json({**facts, "files": files})
        return
    _show(found, facts, files)


def _rules(text: str) -> str | dict[str, str]:
    """One rule, or ``{column: rule}`` of ``column=rule;column=rule``."""
    if "=" not in text:
        return text
    pairs = [part.partition("=") for part in text.split(";") if part.strip()]
    for column, equals, rule in pairs:
        if not equals or not column.strip() or not rule.strip():
            raise UserError(f"--rules: {column!r} is no COLUMN=RULE; write name=longest;phone=newest:updated")
    return {column.strip(): rule.strip() for column, _, rule in pairs}


def _facts(found: Integration, rejected: int, guarded: int, seconds: float) -> dict[str, Any]:
    conflicts = found.resolution.conflicts
    reasons = [one.reason for one in found.suspicious]
    return {
        "sources": {source.name: len(source) for source in found.sources},
        "rows": len(found.union),
        "columns": len(found.union.columns),
        "things": len(found.resolution.golden),
        "threshold": found.threshold,
        "pairs": len(found.graph),
        "conflicts": len(conflicts),
        "open": int(conflicts["open"].sum()) if len(conflicts) else 0,
        "suspicious": {reason: reasons.count(reason) for reason in sorted(set(reasons))},
        "rejected": rejected,
        "guarded": guarded,
        "seconds": round(seconds, 2),
    }


def _show(found: Integration, facts: dict[str, Any], files: dict[str, str]) -> None:
    print_rows(
        ("source", "rows", "columns", "rejected", "guessed"),
        [(one.name, len(one), one.frame.shape[1], len(one.rejects),
          ", ".join(f"{what} {guess.value!r}" for what, guess in one.guess.items()) or "nothing")
         for one in found.sources],
    )  # fmt: skip
    for source in found.sources:
        for note in source.notes:
            print(f"{source.name}: {note}")
    print()
    print_rows(
        ("column", "made of"),
        [(target.name, ", ".join(str(member.ref) for member in target.members)) for target in found.mapping.targets],
    )
    print(f"\n{facts['things']:,} things from {facts['rows']:,} rows, threshold {found.threshold:.2f}")
    print(f"{facts['conflicts']:,} conflicts, {facts['open']:,} left open")
    if facts["suspicious"]:
        listed = ", ".join(f"{count} {reason.replace('_', ' ')}" for reason, count in facts["suspicious"].items())
        print(f"suspicious sets: {listed}; init, ..., review show them")
    if facts["rejected"]:
        print(f"{facts['rejected']:,} rows could not be read, see {files['rejects']}")
    if facts["guarded"]:
        print(f"{facts['guarded']:,} cells guarded against formulas (--no-guard leaves them as they are)")
    print(f"written to {files['golden']} in {facts['seconds']:.1f} s")

"""``counterpoint tables init`` to ``report``: the steps of a project on the command line."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from core.atomic import atomic_write
from core.errors import UserError
from domains.tables.data.export import write_table
from domains.tables.data.locate import locate
from domains.tables.data.output import check_file, check_output
from domains.tables.engine import engine_of
from domains.tables.outcome import FileKind
from domains.tables.project.folder import Project
from domains.tables.project.freshness import states
from domains.tables.project.results import StepRecord
from domains.tables.project.screen import print_json, print_rows
from domains.tables.project.steps.export import export

__all__ = [
    "align_command",
    "apply_command",
    "block_command",
    "cluster_command",
    "evaluate_command",
    "explain_command",
    "export_command",
    "init_command",
    "match_command",
    "report_command",
    "resolve_command",
    "review_command",
    "status_command",
]


def init_command(project: str, *sources: str, name: str = "", seed: int = 0, json_: bool = False) -> None:
    """Read the inputs of a project.

    Args:
        project: folder of the project; made if it is not there
        sources: files, folders, wildcards, duckdb:///FILE?table=T; none reads those of an existing project again
        name: shown to people (default: that of the folder)
        seed: of all random draws
        json_: print one JSON object
    """
    from domains.tables.project.steps.init import init

    made, record = init(project, sources, seed=seed, name=name)
    if json_:
        _print_record(made, record)
        return
    read = record.facts["sources"]
    columns = ("source", "rows", "columns", "rejected", "keys", "guessed")
    print_rows(columns, [(s["name"], s["rows"], s["columns"], s["rejected"], ", ".join(s["keys"][:3]) or "-",
                          ", ".join(f"{what} {guess['value']!r}" for what, guess in s["guessed"].items()) or "nothing")
                         for s in read])  # fmt: skip
    for source in read:
        for note in source["notes"]:
            print(f"{source['name']}: {note}")
    if any(source["rejected"] for source in read):
        print(f"rows that could not be read: {made.step_path('init') / 'rejects.csv'}")
    _next(made, "align")


def align_command(project: str, *, again: bool = False, json_: bool = False) -> None:
    """Bring the columns of all inputs together.

    Args:
        project: folder of the project
        again: propose a new mapping.yaml instead of taking the one that is there
        json_: print one JSON object
    """
    from domains.tables.project.steps.align import align

    opened = Project.open(project)
    record = align(opened, again=again)
    if json_:
        _print_record(opened, record)
        return
    rows = [(t["name"], ", ".join(f"{c['column']}" + (f" ({c['score']:.2f})" if c["score"] is not None else "")
                                  for c in t["columns"])) for t in record.facts["targets"]]  # fmt: skip
    print_rows(("column", "made of (score)"), rows)
    print(f"{record.facts['rows']:,} rows; change the mapping in {opened.mapping_path} and run align again")
    _next(opened, "block")


def block_command(project: str, *, yes: bool = False, engine: str = "local", json_: bool = False) -> None:
    """Find the pairs worth comparing.

    Args:
        project: folder of the project
        yes: go on above the limits block.most_pairs and block.most_mib of project.yaml
        engine: where pairs are found: local, ray, or ray:ADDRESS of a cluster
        json_: print one JSON object
    """
    from domains.tables.project.steps.block import block

    opened = Project.open(project)
    record = block(opened, yes=yes, engine=engine_of(engine))
    if json_:
        _print_record(opened, record)
        return
    facts = record.facts
    print(f"{facts['pairs']:,} pairs of {facts['rows']:,} rows; {100 * facts['reduction']:.2f} % of all pairs left out")
    print(f"busiest row: {facts['busiest_row']} pairs; rows without a pair: {facts['alone']:,}")
    print(f"matching needs about {facts['bytes'] / 2**20:,.0f} MiB for them")
    print(f"of duplicates made with errors {facts['expected_recall']:.1%} are among them ({facts['method']})")
    _next(opened, "match")


def match_command(project: str, *, engine: str = "local", json_: bool = False) -> None:
    """Learn and score the pairs; answers from the review are learned from.

    Args:
        project: folder of the project
        engine: where pairs are compared: local, ray, or ray:ADDRESS of a cluster
        json_: print one JSON object
    """
    from domains.tables.project.steps.match import match

    opened = Project.open(project)
    record = match(opened, engine=engine_of(engine))
    if json_:
        _print_record(opened, record)
        return
    facts = record.facts
    most = max(max(facts["histogram"]), 1)
    for place, count in enumerate(facts["histogram"]):
        print(f"{place * 0.05:.2f}-{(place + 1) * 0.05:.2f}  {'#' * round(40 * count / most):<40}  {count:,}")
    promised = facts["expected_precision"]
    sure = "no pair is above it" if promised is None else f"pairs above it are expected to be {promised:.1%} right"
    print(f"suggested threshold {facts['threshold']}, even odds: {sure}; learned from {facts['labels']:,} answers")
    print(f"of the expected matches {facts['within_sources']:.1%} lie within one source: cluster.one_per_source would "
          "forbid them")  # fmt: skip
    _next(opened, "cluster")


def cluster_command(project: str, *, json_: bool = False) -> None:
    """Find sets of rows that are one thing.

    Args:
        project: folder of the project
        json_: print one JSON object
    """
    from domains.tables.project.steps.cluster import cluster

    opened = Project.open(project)
    record = cluster(opened)
    if json_:
        _print_record(opened, record)
        return
    facts = record.facts
    print(f"{facts['sets']:,} things from {facts['rows']:,} rows, threshold {facts['threshold']}, {facts['method']}")
    print_rows(("rows in a set", "sets"), sorted((int(size), count) for size, count in facts["sizes"].items()))
    if facts["suspicious"]:
        listed = ", ".join(f"{count} {reason.replace('_', ' ')}" for reason, count in facts["suspicious"].items())
        print(f"suspicious sets: {listed}; look at them with review")
    _next(opened, "resolve")


def resolve_command(project: str, *, preview: str = "", yes: bool = False, json_: bool = False) -> None:
    """Choose one value where rows of a set disagree.

    Args:
        project: folder of the project
        preview: write what a language model would be given to this file, a JSON object on each line, and stop
        yes: let a language model on another machine see that
        json_: print one JSON object
    """
    from domains.tables.project.steps.resolve import ready_to_resolve, resolve

    opened = Project.open(project)
    if preview:
        check_file(preview, opened.kept)
        ready = ready_to_resolve(opened)
        requests, cost = ready.requests(), ready.cost()
        with atomic_write(preview) as file:
            file.writelines(f"{json.dumps(asdict(one), ensure_ascii=False)}\n" for one in requests)
        if json_:
            print_json({"preview": preview, "columns": ready.asked, **asdict(cost)})
        else:
            print(f"{cost.requests:,} prompts with {cost.candidates:,} candidates, about {cost.tokens:,} tokens, and "
                  f"{cost.cached:,} that need no new answer; nothing was sent, see {preview}")  # fmt: skip
        return
    record = resolve(opened, yes=yes)
    if json_:
        _print_record(opened, record)
        return
    facts = record.facts
    print(f"{facts['entities']:,} things; {facts['conflicts']:,} conflicts, {facts['open']:,} left open, "
          f"{facts['settled']:,} settled by a person")  # fmt: skip
    print_rows(("column", "rule"), facts["rules"].items())
    _next(opened, "review")


def review_command(project: str, *, port: int = 0, user: str = "", json_: bool = False) -> None:
    """Serve the review page on this machine until Ctrl-C; each decision is on disk before the page answers.

    Args:
        project: folder of the project
        port: to serve on; 0 takes any free one
        user: name that goes into the decisions (default: yours on this machine)
        json_: print the address as one JSON object
    """
    from domains.tables.project.steps.review import open_review

    review = open_review(Project.open(project), port=port, user=user)
    if json_:
        print_json({"address": review.address})
    else:
        print(f"open {review.address}\nit is for you alone: whoever has the address can decide; Ctrl-C ends it")
    sys.stdout.flush()
    review.run()


def export_command(
    project: str, *, out: str, kind: FileKind = "csv", no_guard: bool = False, json_: bool = False
) -> None:
    """Write the golden table, rows, provenance, conflicts and decisions.

    Args:
        project: folder of the project
        out: folder for the files
        kind: form of the tables
        no_guard: do not put an apostrophe before cells that a spreadsheet would run as formulas
        json_: print one JSON object
    """
    done = export(Project.open(project), out, kind=kind, guard_formulas=not no_guard)
    if json_:
        print_json({"folder": str(done.folder), "rows": done.rows, "guarded": done.guarded})
        return
    print_rows(("table", "rows"), done.rows.items())
    print(f"written to {done.folder}; {done.guarded:,} cells guarded against formulas")


def explain_command(project: str, a: str, b: str, *, json_: bool = False) -> None:
    """Say why two rows are, or are not, one thing.

    Args:
        project: folder of the project
        a: one row as SOURCE:ROW (rows from 0), or its number on the page
        b: the other row
        json_: print one JSON object
    """
    from domains.tables.project.steps.explain import explain

    found = explain(Project.open(project), a, b)
    if json_:
        print_json(found.to_json())
        return
    rows = [(one.name, one.left or "-", one.right or "-", "-" if one.similarity is None else f"{one.similarity:.2f}",
             "-" if one.odds is None else f"{one.odds:+.2f}", one.words) for one in found.attributes]  # fmt: skip
    print_rows(("attribute", found.rows[0], found.rows[1], "similarity", "log odds", "in words"), rows)
    print(found.sentence)
    if found.counter_example:
        print(f"most like it, and the other way round: {' and '.join(found.counter_example)}")


def evaluate_command(
    path: str, *more: str, truth: str | None = None, data: str | None = None, seed: int | None = None,
    json_: bool = False,
) -> None:  # fmt: skip
    """Score a project with --truth, or saved models as every domain does.

    Args:
        path: folder of a project, or of a model
        more: more models
        truth: of a project: table with the columns source, row (from 0) and entity
        data: of models: catalogue name or path
        seed: of models: of the probe and of random splits
        json_: of a project: print one JSON object
    """
    if truth is None:
        if Project(Path(path)).settings_path.exists():
            raise UserError(f"{path} is a project; give the known entities with --truth FILE")
        from core.cli.evaluate import run_evaluate
        from core.plugins import domain

        flags = [("--data", data), ("--seed", seed)]
        words = [word for flag, value in flags if value is not None for word in (flag, str(value))]
        run_evaluate(domain("tables"), [path, *more, *words])
        return
    from domains.tables.project.steps.evaluate import evaluate

    if more or data is not None or seed is not None:
        raise UserError("--truth scores one project; leave out further folders, --data and --seed")
    found = evaluate(Project.open(path), truth)
    if json_:
        print_json(asdict(found))
        return
    print_rows(("score", "value"), [(name, f"{value:.4f}") for name, value in found.scores.items()])
    print(f"over {found.rows:,} of {found.of:,} rows")


def apply_command(project: str, new: str, *, out: str, json_: bool = False) -> None:
    """Find the entities of new rows; nothing is learned and the project is not changed.

    Args:
        project: folder of the project
        new: table with the new rows
        out: file for their entities, .csv, .tsv, .parquet, .jsonl, .xlsx or duckdb:///FILE?table=T
        json_: print one JSON object
    """
    from domains.tables.project.steps.apply import apply

    opened = Project.open(project)
    check_output(out, [*locate(new), *opened.kept])
    done = apply(opened, new)
    write_table(done.rows, out)
    shown = {
        "rows": len(done.rows), "matched": done.matched, "new_things": done.things, "ignored": list(done.ignored),
        "rejected": done.rejected, "out": out,
    }  # fmt: skip
    if json_:
        print_json(shown)
        return
    print(f"{done.matched:,} of {len(done.rows):,} rows are known things; {done.things:,} new things; written to {out}")
    if done.ignored:
        print(f"columns without a place in the union, left out: {', '.join(done.ignored)}")
    if done.rejected:
        print(f"{done.rejected:,} rows could not be read; init lists them when the file is in the project")


def report_command(project: str, *, out: str, json_: bool = False) -> None:
    """Write one HTML page about a project.

    Args:
        project: folder of the project
        out: the HTML file
        json_: print one JSON object
    """
    from domains.tables.project.steps.report import report

    report(Project.open(project), out)
    if json_:
        print_json({"out": out, "bytes": os.path.getsize(out)})
        return
    print(f"written to {out}")


def status_command(project: str, *, json_: bool = False) -> None:
    """Say which steps have to be run again.

    Args:
        project: folder of the project
        json_: print one JSON object
    """
    opened = Project.open(project)
    found = states(opened)
    decisions, ignored = opened.decisions.read()
    if json_:
        print_json({"steps": [asdict(one) for one in found], "decisions": len(decisions), "ignored": ignored})
        return
    rows = [(one.step, one.state, "; ".join(one.reasons) or (f"{one.newer_decisions} decisions are newer"
            if one.newer_decisions else "")) for one in found]  # fmt: skip
    print_rows(("step", "state", "why"), rows)
    print(f"{len(decisions):,} lines of decisions")
    for line in ignored:
        print(line)


def _print_record(project: Project, record: StepRecord) -> None:
    shown: Mapping[str, Any] = record.facts
    print_json({"project": str(project.path), "step": record.step, "seconds": record.seconds, **shown})


def _next(project: Project, step: str) -> None:
    print(f"next: counterpoint tables {step} {project.path}", file=sys.stderr)

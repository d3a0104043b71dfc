"""Tables from result records: the one content behind the terminal, the Markdown page and the HTML report."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.markup import escape
from rich.table import Table as RichTable

from core.reporting.records import ResultRecord

__all__ = ["Table", "markdown", "markdown_row", "print_tables", "shown_published", "shown_value", "tables"]

_PLAIN = 1e-3
"""Below this a number is shown with its power of ten."""
_ROLES = {"method": "", "baseline": "baseline", "untrained": "untrained", "ablation": "ablation"}


@dataclass(frozen=True)
class Table:
    """A title, the names of the columns, rows of cells, and which rows hold the best mean."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    best: frozenset[int]
    notes: tuple[str, ...] = ()


def tables(records: Sequence[ResultRecord]) -> list[Table]:
    """One table per data set (and profile), its systems in the order of the records.

    The first metric leads: mean ± standard deviation over seeds, the published number beside it, the verdict on the
    row's claim (which the study's page of the documentation names), seconds and peak extra memory of one seed. Metrics
    after it get a column each. Records of the metric "difference" are claims, one a row, with their source. A published
    number from another setting says "not comparable". Rows below the best control are named. A table of costs (lower is
    better, and no claims) has no columns of seconds and memory and no such notes.
    """
    groups: dict[tuple[str, str, str], list[ResultRecord]] = {}
    for record in records:
        groups.setdefault((record.profile, record.dataset, record.split), []).append(record)
    return [_claims(group) if group[0].metric == "difference" else _table(group) for group in groups.values()]


def _claims(records: list[ResultRecord]) -> Table:
    """Differences between systems that papers claim to be above 0; settings say of which score and in which unit."""
    rows = []
    for record in records:
        score, minus, unit = (str(record.settings.get(key, "")) for key in ("metric", "minus", "unit"))
        of = f"{score} less {minus}" if minus else score
        published = record.published
        value = "" if published is None or published.value is None else f"{published.value:+g}"
        shown = f"{shown_value(record)}" + (" points" if unit == "points" else "")
        source = "" if published is None else published.source
        rows.append((record.system, of, shown, value, record.verdict or "", source, str(len(record.values))))
    reasons = {r.published.why for r in records if r.published and r.published.value is not None and r.published.why}
    notes = tuple(f"Published differences are not comparable ({reason})." for reason in sorted(reasons))
    columns = ("claim", "of", "difference", "published", "verdict", "source", "seeds")
    return Table(f"{records[0].dataset} ({records[0].split})", columns, tuple(rows), frozenset(), notes)


def _table(records: list[ResultRecord]) -> Table:
    metrics = list(dict.fromkeys(r.metric for r in records))
    first, rest = metrics[0], metrics[1:]
    by_system: dict[str, dict[str, ResultRecord]] = {}
    for record in records:
        by_system.setdefault(record.system, {})[record.metric] = record
    leading = {name: found[first] for name, found in by_system.items() if first in found}
    sign = 1 if records[0].higher_is_better else -1
    scores = {name: sign * r.mean for name, r in leading.items() if r.mean is not None}
    top = max(scores.values(), default=0.0)
    controls = [score for name, score in scores.items() if leading[name].role in ("baseline", "untrained")]
    rows: list[tuple[str, ...]] = []
    best: set[int] = set()
    short: list[str] = []
    apart: dict[str, list[str]] = {}
    with_claims = any(r.published or r.verdict for r in leading.values())
    # without claims it is time or memory that the table is about, and a floor in it is no control to be reached
    costs_lead = sign < 0 and not with_claims
    for name, found in by_system.items():
        lead = found.get(first)
        shown = lead or next(iter(found.values()))
        cells = [name, _ROLES[shown.role], shown_value(lead)]
        if with_claims:
            cells += [shown_published(lead), (lead.verdict if lead else None) or ""]
        cells += [shown_value(found.get(metric)) for metric in rest]
        cells += [] if costs_lead else [_number(shown.seconds), _number(shown.peak_mb)]
        cells.append(str(len(shown.values)))
        if scores.get(name) == top:
            best.add(len(rows))
        below = name in scores and bool(controls) and scores[name] < max(controls)
        if lead and lead.role == "method" and below and not costs_lead:
            short.append(name)
        if lead and lead.published and not lead.published.comparable:
            apart.setdefault(lead.published.why, []).append(name)
        rows.append(tuple(cells))
    notes = []
    if short:
        notes.append(f"{', '.join(short)} {'do' if len(short) > 1 else 'does'} not reach the best control here.")
    for why, names in apart.items():
        many = "numbers are" if len(names) > 1 else "number is"
        notes.append(f"{', '.join(names)}: the published {many} not comparable ({why}).")
    columns = ["system", "role", first]
    columns += ["published", "verdict"] if with_claims else []
    columns += [*rest, *([] if costs_lead else ["seconds", "MB"]), "seeds"]
    sample = records[0]
    title = f"{sample.dataset} ({sample.split})" if sample.split else sample.dataset
    return Table(title, tuple(columns), tuple(rows), frozenset(best), tuple(notes))


def shown_value(record: ResultRecord | None) -> str:
    """Mean ± standard deviation; nothing for no record, "not finite" for a result that is not."""
    if record is None:
        return ""
    if record.mean is None:
        return "not finite"
    shape = f".{_decimals(abs(record.mean))}f" if record.mean == 0 or abs(record.mean) >= _PLAIN else ".1e"
    mean = f"{record.mean:{shape}}"
    return mean if record.std is None else f"{mean} ± {record.std:{shape}}"


def _decimals(size: float) -> int:
    """Two, none from 1,000 on, and enough below a tenth for two digits that are not zero."""
    if size == 0 or size >= 0.1:
        return 2 if size < 1000 else 0
    return 1 - math.floor(math.log10(size))


def shown_published(record: ResultRecord | None) -> str:
    """The published number, and whether it can be compared."""
    if record is None or record.published is None or record.published.value is None:
        return ""
    return f"{record.published.value:g}" + ("" if record.published.comparable else " (not comparable)")


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.2g}" if 0 < value < 0.1 else f"{value:.1f}"


def markdown_row(cells: Iterable[str]) -> str:
    """One line of a Markdown table; a bar in a cell does not end it."""
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def markdown(table: Table) -> str:
    """The table as GitHub Markdown, notes below."""
    lines = [
        f"### {table.title}",
        "",
        markdown_row(table.columns),
        "|" + "|".join("---" if i < 2 else "---:" for i in range(len(table.columns))) + "|",
    ]
    for number, row in enumerate(table.rows):
        cells = list(row)
        if number in table.best:
            cells[2] = f"**{cells[2]}**"
        lines.append(markdown_row(cells))
    if table.notes:
        lines += ["", *(f"- {note}" for note in table.notes)]
    return "\n".join(lines) + "\n"


def print_tables(records: Sequence[ResultRecord], console: Console | None = None) -> None:
    """Print every table on ``console``: by default on stdout, in a pipe 140 characters wide."""
    if console is None:
        console = Console()
        if not console.is_terminal:
            console = Console(width=140)
    for table in tables(records):
        title = escape(table.title)
        shown = RichTable(*map(escape, table.columns), title=title, title_justify="left", caption_justify="left")
        for column in shown.columns[2:]:
            column.justify = "right"
        for number, row in enumerate(table.rows):
            shown.add_row(*map(escape, row), style="bold" if number in table.best else None)
        shown.caption = escape("\n".join(table.notes)) or None
        console.print(shown)

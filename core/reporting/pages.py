"""Documentation pages generated from committed records; no number in them is typed."""

import math
import re
from pathlib import Path

from matplotlib.figure import Figure

from core.atomic import atomic_write
from core.errors import UserError
from core.reporting.plots import figure_svg, growth_plot, score_plot
from core.reporting.records import ResultRecord
from core.reporting.store import read_records
from core.reporting.table import markdown, markdown_row, shown_published, shown_value, tables

__all__ = ["insert_summary", "method_table", "render_page", "summary_table", "write_pages"]

_CONTROLS = ("untrained", "baseline")
_Curves = dict[str, tuple[list[float], list[float]]]


def write_pages(results: str | Path, docs: str | Path) -> list[Path]:
    """Write ``<docs>/<study>.md`` for every folder of records below ``results``, and one plot per data set.

    Each method also gets its own table, ``<docs>/by-method/<study>-<method>.md.inc``, for its page to include.

    Args:
        results: ``benchmarks/results``.
        docs: folder of the generated pages.

    Returns:
        The pages written. The same records give the same bytes.
    """
    results, docs = Path(results), Path(docs)
    pages = []
    for folder in sorted(p for p in results.iterdir() if p.is_dir() and any(p.glob("*.json"))):
        records = [record for path in sorted(folder.glob("*.json")) for record in read_records(path)]
        page = docs / f"{folder.name}.md"
        with atomic_write(page) as file:
            file.write(render_page(folder.name, records))
        pages.append(page)
        for method in dict.fromkeys(r.method for r in records if r.role == "method" and _leads(r)):
            snippet = docs / "by-method" / f"{folder.name}-{method}.md.inc"
            with atomic_write(snippet) as file:
                file.write(method_table(method, records))
        for name, group in _plots(records).items():
            _write_figure(docs, f"{folder.name}-{name}", score_plot(group))
        for profile in dict.fromkeys(r.profile for r in records):
            chosen = [r for r in records if r.profile == profile]
            for title, metric, name, curves in _growth(chosen):
                figure = growth_plot(curves, x="N", y=metric, title=f"{title}: {metric} against N")
                _write_figure(docs, f"{folder.name}-{name}", figure)
    return pages


def _write_figure(docs: Path, name: str, figure: Figure) -> None:
    with atomic_write(docs / "figures" / f"{name}.svg") as file:
        file.write(figure_svg(figure))


def _growth(records: list[ResultRecord]) -> list[tuple[str, str, str, _Curves]]:
    """Title, metric, file name and curves of the figures of time and memory against N.

    A record takes part if its data set is called "N=..." and its settings name the figure it belongs to.
    """
    figures: dict[tuple[str, str], _Curves] = {}
    for record in records:
        size, title = re.match(r"N=(\d+)", record.dataset), record.settings.get("figure")
        if size and title and record.metric in ("ms", "MB") and record.mean is not None:
            xs, ys = figures.setdefault((title, record.metric), {}).setdefault(record.system, ([], []))
            xs.append(float(size[1]))
            ys.append(record.mean)
    found = []
    for (title, metric), all_curves in figures.items():
        curves = {name: curve for name, curve in all_curves.items() if len(curve[0]) > 1}
        if curves:
            found.append((title, metric, f"{records[0].profile}-growth-{_file_name(title)}-{metric.lower()}", curves))
    return found


def _file_name(text: str) -> str:
    return "".join(c if c.isalnum() else "-" for c in text.lower())


def _leads(record: ResultRecord) -> bool:
    return record.metric == "accuracy %"


def _mean(record: ResultRecord) -> float:
    """For the order of scores: what is not finite is below everything."""
    return -math.inf if record.mean is None else record.mean


def _plots(records: list[ResultRecord]) -> dict[str, list[ResultRecord]]:
    """Records of the leading metric by a file name for their data set; timing studies have no seed plot."""
    groups: dict[str, list[ResultRecord]] = {}
    for record in records:
        if _leads(record):
            groups.setdefault(f"{record.profile}-{_file_name(record.dataset)}", []).append(record)
    return groups


def render_page(study: str, records: list[ResultRecord]) -> str:
    """One page of Markdown about one study."""
    lines = [f"# Results: {study}", "", "Generated from `benchmarks/results/" + study + "/`; no number here is typed."]
    for profile in dict.fromkeys(r.profile for r in records):
        chosen = [r for r in records if r.profile == profile]
        one = chosen[0]
        commits = ", ".join(dict.fromkeys(f"`{r.commit}`" for r in chosen if r.commit)) or "unknown"
        machines = " and ".join(
            dict.fromkeys(f"{r.machine.get('cpu', '')}, {r.machine.get('cores')} cores" for r in chosen)
        )
        versions = ", ".join(f"{name} {version}" for name, version in one.versions.items())
        lines += [
            "",
            f"## Profile {profile}",
            "",
            f"Repeat with `counterpoint bench {study} --profile {profile}`. {machines}; commit {commits}; "
            f"{', '.join(dict.fromkeys(r.date for r in chosen))}; {versions}.",
            "",
        ]
        for title, metric, name, _ in _growth(chosen):
            lines.append(f"![{title}: {metric} against N](figures/{study}-{name}.svg)\n")
        names = {g[0].dataset: name for name, g in _plots(chosen).items()}
        for table, dataset in zip(tables(chosen), _datasets(chosen), strict=True):
            lines.append(markdown(table))
            if dataset in names:
                lines.append(f"![{dataset}: every seed a dot](figures/{study}-{names[dataset]}.svg)\n")
    return "\n".join(lines).rstrip() + "\n"


def method_table(method: str, records: list[ResultRecord]) -> str:
    """One row per data set on which the method was run: its score beside the controls and the published number."""
    leading = [r for r in records if _leads(r)]
    return _score_rows([r for r in leading if r.method == method and r.role == "method"], leading)


def summary_table(records: list[ResultRecord]) -> str:
    """One row per data set: the method with the highest mean, beside the controls and its published number."""
    leading = [r for r in records if _leads(r)]
    best: dict[tuple[str, str], ResultRecord] = {}
    for record in leading:
        key = (record.profile, record.dataset)
        if record.role == "method" and (key not in best or _mean(record) > _mean(best[key])):
            best[key] = record
    return _score_rows(list(best.values()), leading)


def _score_rows(shown: list[ResultRecord], leading: list[ResultRecord]) -> str:
    lines = [
        "| data set | profile | system | accuracy % | untrained | best baseline | published | verdict | seeds |",
        "|---|---|---|---:|---:|---:|---:|---|---:|",
    ]
    for record in shown:
        peers = [r for r in leading if (r.dataset, r.profile) == (record.dataset, record.profile)]
        controls = [max((r for r in peers if r.role == role), key=_mean, default=None) for role in _CONTROLS]
        beside = [shown_value(one) + (f" ({one.system})" if one and one.role == "baseline" else "") for one in controls]
        cells = [record.dataset, record.profile, record.system, shown_value(record), *beside, shown_published(record)]
        lines.append(markdown_row([*cells, record.verdict or "", str(len(record.values))]))
    return "\n".join(lines) + "\n"


def _datasets(records: list[ResultRecord]) -> list[str]:
    return [key[0] for key in dict.fromkeys((r.dataset, r.split) for r in records)]


def insert_summary(page: str | Path, results: str | Path) -> None:
    """Replace what stands between the two result markers of a page by the `summary_table` of the profile ``cpu``.

    Args:
        page: a Markdown file with the lines ``<!-- results ... -->`` and ``<!-- end of results -->``.
        results: ``benchmarks/results``.

    Raises:
        UserError: the page lacks the markers.
    """
    page = Path(page)
    head, opening, rest = page.read_text(encoding="utf-8").partition("<!-- results")
    comment, closing, tail = rest.partition("<!-- end of results -->")
    if not opening or not closing:
        raise UserError(f"{page} lacks the lines <!-- results ... --> and <!-- end of results -->")
    table = summary_table([r for r in read_records(results) if r.profile == "cpu"])
    first_line = comment.partition("\n")[0]
    with atomic_write(page) as file:
        file.write(f"{head}{opening}{first_line}\n\n{table}\n{closing}{tail}")

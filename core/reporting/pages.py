"""Documentation pages generated from committed records; no number in them is typed."""

from pathlib import Path

from core.atomic import atomic_write
from core.reporting.plots import figure_svg, score_plot
from core.reporting.records import ResultRecord
from core.reporting.store import read_records
from core.reporting.table import markdown, tables

__all__ = ["render_page", "write_pages"]


def write_pages(results: str | Path, docs: str | Path) -> list[Path]:
    """Write ``<docs>/<study>.md`` for every folder of records below ``results``, and one plot per data set.

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
        for name, group in _plots(records).items():
            with atomic_write(docs / "figures" / f"{folder.name}-{name}.svg") as file:
                file.write(figure_svg(score_plot(group)))
    return pages


def _plots(records: list[ResultRecord]) -> dict[str, list[ResultRecord]]:
    """Records of the leading metric by a file name for their data set; timing studies have no seed plot."""
    groups: dict[str, list[ResultRecord]] = {}
    for record in records:
        if record.metric.startswith("accuracy %"):
            plain = "".join(c if c.isalnum() else "-" for c in record.dataset.lower())
            groups.setdefault(f"{record.profile}-{plain}", []).append(record)
    return groups


def render_page(study: str, records: list[ResultRecord]) -> str:
    """One page of Markdown about one study."""
    lines = [f"# Results: {study}", "", "Generated from `benchmarks/results/" + study + "/`; no number here is typed."]
    for profile in dict.fromkeys(r.profile for r in records):
        chosen = [r for r in records if r.profile == profile]
        one = chosen[0]
        commits = ", ".join(dict.fromkeys(f"`{r.commit}`" for r in chosen if r.commit)) or "unknown"
        versions = ", ".join(f"{name} {version}" for name, version in one.versions.items())
        lines += [
            "",
            f"## Profile {profile}",
            "",
            f"Repeat with `counterpoint bench {study} --profile {profile}`. {one.machine.get('cpu', '')}, "
            f"{one.machine.get('cores')} cores; commit {commits}; {one.date}; {versions}.",
            "",
        ]
        names = {g[0].dataset: name for name, g in _plots(chosen).items()}
        for table, dataset in zip(tables(chosen), _datasets(chosen), strict=True):
            lines.append(markdown(table))
            if dataset in names:
                lines.append(f"![{dataset}: every seed a dot](figures/{study}-{names[dataset]}.svg)\n")
    return "\n".join(lines).rstrip() + "\n"


def _datasets(records: list[ResultRecord]) -> list[str]:
    return [key[0] for key in dict.fromkeys((r.dataset, r.split) for r in records)]

"""``counterpoint report``: one HTML page from a folder of runs or results."""

from collections.abc import Sequence

from core.cli.parser import CommandParser

__all__ = ["report"]


def report(words: Sequence[str]) -> int:
    """Write the page; print its name.

    Raises:
        UserError: nothing to show in the folder.
    """
    parser = CommandParser(
        "counterpoint report",
        "one self-contained HTML page about a folder of runs, or of benchmark results",
        "counterpoint report runs --out report.html",
    )
    parser.add_argument("folder", type=str, help="runs or results, at any depth")
    parser.add_argument("--out", type=str, default="report.html", help="the HTML file")
    if "-h" in words or "--help" in words:
        print(parser.format_help())
        return 0
    chosen = parser.read(words)
    from core.reporting.html import write_report

    count = write_report(chosen.folder, chosen.out)
    print(f"{chosen.out}: {count} entries")
    return 0

"""``counterpoint report``: one HTML page from a folder of runs or results."""

from collections.abc import Sequence

from core.cli.parser import CommandParser
from core.errors import UserError

__all__ = ["report"]


def report(words: Sequence[str]) -> int:
    """Write the HTML page, or the Markdown pages of the documentation; print their names.

    Raises:
        UserError: nothing to show in the folder.
    """
    parser = CommandParser(
        "counterpoint report",
        "one self-contained HTML page about a folder of runs, or of benchmark results",
        "counterpoint report runs --out report.html",
    )
    parser.add_argument("folder", type=str, help="runs or results, at any depth")
    parser.add_argument("--out", type=str, default="report.html", metavar="FILE", help="the HTML file [report.html]")
    parser.add_argument(
        "--pages", type=str, default=None, metavar="DIR", help="write Markdown pages and figures there instead"
    )
    parser.add_argument(
        "--summary", type=str, default=None, metavar="FILE", help="with --pages: also fill the results of this README"
    )
    if "-h" in words or "--help" in words:
        print(parser.format_help())
        return 0
    chosen = parser.read(words)
    if chosen.summary is not None and chosen.pages is None:
        raise UserError("--summary goes with --pages DIR")
    if chosen.pages is not None:
        from core.reporting.pages import insert_summary, write_pages

        for page in write_pages(chosen.folder, chosen.pages):
            print(page)
        if chosen.summary is not None:
            insert_summary(chosen.summary, chosen.folder)
            print(chosen.summary)
        return 0
    from core.reporting.html import write_report

    count = write_report(chosen.folder, chosen.out)
    print(f"{chosen.out}: {count} entries")
    return 0

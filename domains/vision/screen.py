"""Tables on the screen, whatever the names in them look like."""

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

__all__ = ["print_table"]

_PIPED_WIDTH = 100_000


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]], title: str) -> None:
    """Print to stdout: framed on a terminal; without a frame, with every row on one line, where it is piped.

    Args:
        columns: their headings.
        rows: the cells, taken letter by letter: brackets in a file name are no markup.
        title: shown above, on a terminal only.
    """
    console = Console(markup=False, highlight=False)
    if console.is_terminal:
        table = Table(title=Text(title), title_justify="left")
    else:
        console = Console(markup=False, highlight=False, width=_PIPED_WIDTH)
        table = Table(box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold", no_wrap=not console.is_terminal)
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    console.print(table)

"""Signs of life for work that takes more than a moment: on stderr, on a terminal only, gone when the work is done."""

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

__all__ = ["watched", "working"]

T = TypeVar("T")


def watched(items: Iterable[T], what: str, total: int) -> Iterator[T]:
    """The items themselves, with a bar that counts them.

    Args:
        items: what is worked through.
        what: the work, in a word or two.
        total: number of items.

    >>> list(watched("ab", "letters", 2))
    ['a', 'b']
    """
    if not sys.stderr.isatty():
        yield from items
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        yield from bar.track(items, total=total, description=what)


@contextmanager
def working(what: str) -> Iterator[None]:
    """A turning sign and the time so far, for work of which nobody knows how long it takes."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as bar:
        bar.add_task(what, total=None)
        yield

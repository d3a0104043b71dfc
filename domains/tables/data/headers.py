"""Column names that are all there and all different."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["unique_headers"]


def unique_headers(names: Sequence[str]) -> tuple[list[str], list[str]]:
    """Give a name to columns without one, and another name to those that repeat one.

    White space around a name goes. A column without a name is called after its place, the second column of a name gets
    ``_2``, the third ``_3``; a name that the file uses itself is never given away.

    Args:
        names: as they stand in the file.

    Returns:
        The names, and a sentence for each that was changed.

    >>> unique_headers(["id", "", "id", " town"])[0]
    ['id', 'column_2', 'id_2', 'town']
    """
    plain = [name.strip() for name in names]
    taken = set(plain)
    seen: dict[str, int] = {}
    unique, notes = [], []
    for place, name in enumerate(plain, 1):
        count = seen.get(name, 0) + 1
        seen[name] = count
        if name and count == 1:
            unique.append(name)
            if name != names[place - 1]:
                notes.append(f"column {place}: white space around the name {name!r} was taken away")
            continue
        given = _free(name or "column", count if name else place, taken)
        taken.add(given)
        unique.append(given)
        what = f"the name {name!r} stands before" if name else "it has no name"
        notes.append(f"column {place} is called {given!r}: {what}")
    return unique, notes


def _free(stem: str, number: int, taken: set[str]) -> str:
    while f"{stem}_{number}" in taken:
        number += 1
    return f"{stem}_{number}"

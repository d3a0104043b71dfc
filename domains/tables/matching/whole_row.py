"""The whole row as one more attribute: what stands in one column here may stand in another one there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pandas as pd

from domains.tables.data.table import Table
from domains.tables.matching.attributes import Attribute, attributes_of

__all__ = ["WHOLE_ROW", "known_attributes", "matched_attributes"]

WHOLE_ROW = "the whole row"
_WORDS = 5.0


def matched_attributes(table: Table) -> list[Attribute]:
    """The attributes that tell rows apart and, where there are long texts, the whole row as the last one.

    A title may hold the venue that another list has in a column of its own; column by column, neither is found. So rows
    with long texts (five words or more on the mean, in any column) are compared as a whole too, but only where
    one of the two has a value in a column and the other has none: otherwise every agreement would count twice
    (`domains.tables.matching.compare.compare` leaves such pairs out). Tables of short values do without; there
    `domains.tables.matching.elsewhere` finds what was swapped. A column of the name `WHOLE_ROW` stands for itself.

    Args:
        table: any table.

    >>> titles = ["On the electrodynamics of moving bodies", "Relativity, the special and general theory"]
    >>> table = Table.of(pd.DataFrame({"title": titles, "year": ["1905", "1916"]}))
    >>> [one.name for one in matched_attributes(table)]
    ['title', 'year', 'the whole row']
    """
    found = attributes_of(table)
    long = len(found) > 1 and max(one.words for one in found) >= _WORDS
    return [*found, _whole(table, [one.name for one in found])] if long and WHOLE_ROW not in table.frame else found


def known_attributes(names: Sequence[str], table: Table) -> list[Attribute]:
    """The attributes that were learned from, of another table; one that it lacks is missing in every row.

    Args:
        names: as of `matched_attributes`.
        table: any table.
    """
    nothing = pd.Series(pd.NA, index=table.frame.index, dtype="string")
    columns = [name for name in names if name in table.frame]
    return [
        _whole(table, columns)
        if name == WHOLE_ROW and name not in table.frame
        else Attribute.of(name, table.frame.get(name, nothing))
        for name in names
    ]


def _whole(table: Table, columns: Sequence[str]) -> Attribute:
    parts = [table.frame[name].fillna("").tolist() for name in columns]
    rows = zip(*parts, strict=True) if parts else [()] * len(table)
    texts = pd.Series([" ".join(filter(None, values)) for values in rows], dtype="string")
    return replace(Attribute.of(WHOLE_ROW, texts), whole=True)

"""What reading gives: a table of text, with what was guessed, what was odd and what could not be read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd

__all__ = ["Guess", "Reject", "Source", "reject_frame"]


@dataclass(frozen=True)
class Guess:
    """One thing that the file does not say itself.

    Attributes:
        value: what was taken.
        sure: in [0, 1]; 1 if a person gave it or nothing else is possible.
        why: what speaks for it.
    """

    value: str
    sure: float
    why: str


@dataclass(frozen=True)
class Reject:
    """A row that could not be read.

    Attributes:
        line: line of the file on which it starts, from 1; of a database or an array of JSON its number, from 1.
        reason: why.
        text: the row as it stands in the file.
    """

    line: int
    reason: str
    text: str


def reject_frame(rejects: Sequence[Reject]) -> pd.DataFrame:
    """Rejected rows as a table: ``line`` (int64), ``reason`` and ``text``."""
    return pd.DataFrame(
        {
            "line": pd.Series([one.line for one in rejects], dtype="int64"),
            "reason": pd.Series([one.reason for one in rejects], dtype="string"),
            # a text may hold half of a surrogate pair, which no text column can
            "text": pd.Series([_whole(one.text) for one in rejects], dtype="string"),
        }
    )


def _whole(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


@dataclass(frozen=True, eq=False)
class Source:
    """One table as it was read. Every row of the input is a row of the frame or one of the rejects.

    Attributes:
        name: short and, among sources read together, unique.
        frame: n rows of text columns (dtype "string"), missing cells are ``pd.NA``, the index is 0 to n - 1.
        rejects: rows that could not be read: ``line`` (from 1), ``reason``, ``text``.
        guess: what was guessed and how sure that is, by what it is: encoding, delimiter, header, sheet, table.
        notes: what else a person should know, a sentence each: columns renamed, blank lines skipped.
        origin: the path or address that was read.
    """

    name: str
    frame: pd.DataFrame
    rejects: pd.DataFrame = field(default_factory=lambda: reject_frame(()))
    guess: Mapping[str, Guess] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    origin: str = ""

    def __len__(self) -> int:
        return len(self.frame)

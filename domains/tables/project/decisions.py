"""What people decided, as lines that are only ever added: a decision is a line of JSON, on disk before it counts."""

from __future__ import annotations

import getpass
import json
import os
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, get_args

from core.errors import OperationError, UserError, unknown_name
from domains.tables.project.row_refs import RowRef

__all__ = ["Answer", "Decision", "DecisionLog", "Kind", "active", "new_decision"]

Kind = Literal[
    "pair", "must_link", "cannot_link", "merge", "split", "lock", "value", "rule", "threshold", "undo"
]  # fmt: skip
"""What a decision is about."""
Answer = Literal["yes", "no", "unsure"]
"""Whether two rows are the same thing."""

_GROUPS: dict[str, tuple[int, int]] = {
    "pair": (2, 2), "must_link": (2, 2), "cannot_link": (2, 2), "merge": (2, 1 << 30), "split": (2, 1 << 30),
    "lock": (1, 1), "value": (1, 1), "rule": (0, 0), "threshold": (0, 0), "undo": (0, 0),
}  # fmt: skip
"""Fewest and most groups of rows of each kind."""
_FIELDS: dict[str, tuple[str, ...]] = {
    "pair": ("answer",), "value": ("column", "value"), "rule": ("column", "rule"), "threshold": ("threshold",),
    "undo": ("of",),
}  # fmt: skip
"""What each kind needs besides rows."""


@dataclass(frozen=True)
class Decision:
    """One thing that one person decided.

    Attributes:
        id: unlike all others.
        time: when, UTC, ISO 8601.
        user: who.
        kind: what it is about. "pair" answers the question whether two rows are the same thing; "must_link" and
            "cannot_link" are constraints from outside the questions; "merge" makes one set of several, "split" several
            of one; "lock" keeps a set as it is; "value" chooses a value of a merged row; "rule" sets how a column is
            resolved; "threshold" sets the least probability; "undo" takes back another line, also an undo.
        groups: the rows: of a merge the sets, of a split the parts, of a pair one row each, of a lock or value the set.
        answer: of a pair.
        column: of a value or rule.
        value: the chosen value, one of the set's values in that column.
        rule: how the column is resolved from now on.
        threshold: in [0, 1].
        of: id of the line that is taken back.

    Raises:
        ValueError: what the kind needs is missing.
    """

    id: str
    time: str
    user: str
    kind: Kind
    groups: tuple[tuple[RowRef, ...], ...] = ()
    answer: Answer | None = None
    column: str | None = None
    value: str | None = None
    rule: str | None = None
    threshold: float | None = None
    of: str | None = None

    def __post_init__(self) -> None:
        least, most = _GROUPS[self.kind]
        if not least <= len(self.groups) <= most or not all(self.groups):
            raise ValueError(f"{self.kind} needs {least} groups of rows, none empty, got {len(self.groups)}")
        rows = [row for group in self.groups for row in group]
        if len(set(rows)) < len(rows):
            raise ValueError(f"{self.kind} names a row twice")
        if self.kind in ("pair", "must_link", "cannot_link") and len(rows) != 2:
            raise ValueError(f"{self.kind} is about two rows, got {len(rows)}")
        for name in _FIELDS.get(self.kind, ()):
            if getattr(self, name) is None:
                raise ValueError(f"{self.kind} needs {name!r}")
        if self.answer is not None and self.answer not in get_args(Answer):
            raise ValueError(f"answer must be yes, no or unsure, got {self.answer!r}")
        if self.threshold is not None and not 0 <= self.threshold <= 1:
            raise ValueError(f"threshold must be in [0, 1], got {self.threshold}")

    @property
    def rows(self) -> tuple[RowRef, ...]:
        """All rows that it is about."""
        return tuple(row for group in self.groups for row in group)

    def to_json(self) -> dict[str, Any]:
        """As it stands in the file: rows are ``[source, row, digest]``."""
        shown: dict[str, Any] = {"id": self.id, "time": self.time, "user": self.user, "kind": self.kind}
        if self.groups:
            shown["groups"] = [[[ref.source, ref.row, ref.digest] for ref in group] for group in self.groups]
        return shown | {name: getattr(self, name) for name in _FIELDS.get(self.kind, ())}

    @classmethod
    def from_json(cls, shown: Mapping[str, Any]) -> Decision:
        """The decision of a line.

        Raises:
            UserError: an unknown kind.
            ValueError, TypeError, KeyError: anything else that is wrong with it.
        """
        if shown["kind"] not in _GROUPS:
            raise unknown_name("kind of decision", str(shown["kind"]), _GROUPS)
        groups = tuple(tuple(RowRef(str(s), int(r), str(d)) for s, r, d in group) for group in shown.get("groups", ()))
        rest = {name: shown.get(name) for name in _FIELDS.get(shown["kind"], ())}
        return cls(str(shown["id"]), str(shown["time"]), str(shown["user"]), shown["kind"], groups, **rest)


def new_decision(kind: Kind, groups: Sequence[Sequence[RowRef]] = (), *, user: str = "", **fields: Any) -> Decision:
    """A decision of now.

    Args:
        kind: see `Decision`.
        groups: see `Decision`.
        user: who; by default whoever runs the program.
        **fields: what else the kind needs.

    Raises:
        ValueError: what the kind needs is missing.
    """
    time = datetime.now(UTC).isoformat(timespec="milliseconds")
    return Decision(secrets.token_hex(6), time, user or _user(), kind, tuple(map(tuple, groups)), **fields)


def _user() -> str:
    """Name of whoever runs the program, or the number: containers run as somebody whom their system does not know."""
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):  # by release of Python and by system
        return str(os.getuid()) if hasattr(os, "getuid") else "unknown"


def active(decisions: Sequence[Decision]) -> list[Decision]:
    """Those that count, oldest first: an undo takes back the line that it names, and an undo of an undo brings it back.

    Undo lines themselves are left out.

    >>> one = new_decision("threshold", threshold=0.4)
    >>> back = new_decision("undo", of=one.id)
    >>> [len(active(lines)) for lines in ([one], [one, back], [one, back, new_decision("undo", of=back.id)])]
    [1, 0, 1]
    """
    dead: set[str] = set()
    kept: list[Decision] = []
    for decision in reversed(decisions):
        if decision.id in dead:
            continue
        if decision.kind == "undo":
            dead.add(str(decision.of))
        else:
            kept.append(decision)
    return kept[::-1]


class DecisionLog:
    """The file ``decisions.jsonl``: lines are added at its end, none is ever changed.

    Several programs may add lines at the same time: each line is one write at the end of the file.

    Args:
        path: of the file; it need not exist.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    def append(self, decision: Decision) -> None:
        """Write a decision; when this returns it is on the disk.

        A half-written line that a kill left behind is closed first, so that it spoils nothing after it.

        Raises:
            OperationError: the disk is full or the file is not writable; the decision does not count.
        """
        line = json.dumps(decision.to_json(), ensure_ascii=False, separators=(",", ":")).encode(
            "utf-8", "backslashreplace"
        )
        line += b"\n"
        try:
            file = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
            try:
                size = os.fstat(file).st_size
                if size and os.pread(file, 1, size - 1) != b"\n":
                    line = b"\n" + line
                if os.write(file, line) != len(line):
                    raise OSError(28, "no space for the whole line")
                os.fsync(file)
            finally:
                os.close(file)
            if not size:
                _sync_folder(self.path.parent)
        except OSError as error:
            raise OperationError(
                f"cannot write {self.path}: {error.strerror or error}; the decision was not saved"
            ) from error

    def read(self) -> tuple[list[Decision], list[str]]:
        """All decisions, oldest first, and a sentence about each line that was ignored because it is half-written.

        Raises:
            UserError: a whole line that is no decision; the message names it.
            OperationError: the file cannot be read.
        """
        try:
            raw = self.path.read_bytes() if self.path.exists() else b""
        except OSError as error:
            raise OperationError(f"cannot read {self.path}: {error.strerror or error}") from error
        decisions: list[Decision] = []
        ignored: list[str] = []
        seen: set[str] = set()
        for number, line in enumerate(raw.split(b"\n"), start=1):
            if not line.strip():
                continue
            try:
                shown = json.loads(line)
            except ValueError:
                start = line[:60].decode("utf-8", "replace")
                ignored.append(f"{self.path} line {number} is half-written and was ignored: {start}")
                continue
            try:
                decision = Decision.from_json(shown)
            except (UserError, ValueError, TypeError, KeyError) as error:
                why = f"{error} is missing" if isinstance(error, KeyError) else str(error)
                raise UserError(
                    f"{self.path} line {number} is no decision: {why}; put the file back as it was"
                ) from error
            if decision.id in seen:
                raise UserError(f"{self.path} line {number}: the id {decision.id} stands twice; remove the copied line")
            seen.add(decision.id)
            decisions.append(decision)
        return decisions, ignored


def _sync_folder(folder: Path) -> None:
    """A new file survives a loss of power only when the entry in its folder is on the disk as well."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

"""What a column is for, told from its name: the cluster, the source, the key, the label or the part of a split."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from core.errors import UserError, unknown_name

__all__ = ["Role", "find_role", "need_role"]

Role = Literal["cluster", "source", "key", "label", "split"]
_NAMES: dict[Role, tuple[str, ...]] = {
    "cluster": ("cluster id", "cluster", "true id", "true cluster", "gold cluster", "group id", "dup id"),
    "source": ("source", "src", "source name", "data source", "dataset"),
    "key": ("id", "rec id", "record id", "row id", "tuple id", "entity id", "unique id", "index", "key"),
    "label": ("label", "match", "is match", "gold", "matched"),
    "split": ("split", "part", "fold", "subset"),
}  # fmt: skip


def find_role(columns: Sequence[str], role: Role, given: str | None = None) -> str | None:
    """The column of a role, or None.

    Args:
        columns: names, in any case and punctuation.
        role: what it is for.
        given: a name that a person gave; it wins.

    Raises:
        UserError: there is no column of the given name.

    >>> find_role(["Name", "Cluster_ID"], "cluster")
    'Cluster_ID'
    """
    if given is not None:
        if given not in columns:
            raise unknown_name(f"{role} column", given, columns)
        return given
    plain = {re.sub(r"[^a-z0-9]+", " ", column.lower()).strip(): column for column in reversed(columns)}
    return next((plain[name] for name in _NAMES[role] if name in plain), None)


def need_role(path: str | Path, columns: Sequence[str], role: Role, given: str | None = None) -> str:
    """The column of a role.

    Raises:
        UserError: there is none.
    """
    found = find_role(columns, role, given)
    if found is None:
        raise UserError(
            f"{path} has no {role} column: none of its columns is called {', '.join(_NAMES[role])}; "
            f"name it with {role}=, one of {', '.join(columns)}"
        )
    return found

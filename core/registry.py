"""Named things with explicit registration: duplicates are refused, a miss lists near names, targets load lazily."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from core.errors import unknown_name

__all__ = ["Entry", "Registry", "resolve"]


def resolve(target: str | Any) -> Any:
    """Import ``"package.module:attribute"``; anything that is not a string is returned as it is.

    >>> resolve("math:pi") > 3
    True
    """
    if not isinstance(target, str):
        return target
    module, _, attribute = target.partition(":")
    return getattr(importlib.import_module(module), attribute)


@dataclass(frozen=True)
class Entry:
    """One registered name. ``target`` and ``settings`` are classes, or ``"module:attribute"`` until first use."""

    name: str
    target: str | type
    settings: str | type | None
    paper: str
    summary: str
    facts: dict[str, Any] = field(default_factory=dict)


class Registry:
    """A table from public names to classes.

    Targets may be given as ``"module:attribute"`` strings, so that listing what exists (``counterpoint graphs --help``)
    does not import torch. Registration is an explicit call in a package's ``__init__``, never a side effect of an
    import somewhere else. Code can always pass the class itself instead of a name.

    Args:
        kind: what is registered, in the singular, as error messages say it (``"graph method"``).
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._entries: dict[str, Entry] = {}

    def register(
        self,
        name: str,
        target: str | type,
        settings: str | type | None = None,
        *,
        paper: str = "",
        summary: str = "",
        **facts: Any,
    ) -> None:
        """Add one name.

        Args:
            name: the public name, lower case with underscores.
            target: the class, or ``"module:Class"``.
            settings: its frozen settings dataclass, or ``"module:Class"``.
            paper: citation with arXiv id.
            summary: one line for listings.
            **facts: anything else that listings and drivers want to know without importing the target.

        Raises:
            ValueError: the name is taken.
        """
        if name in self._entries:
            raise ValueError(f"{self.kind} {name!r} is registered already (as {self._entries[name].target})")
        self._entries[name] = Entry(name, target, settings, paper, summary, facts)

    def describe(self, name: str) -> Entry:
        """The entry of ``name``; raises `core.errors.UserError` with near names if there is none."""
        if name not in self._entries:
            raise unknown_name(self.kind, name, self._entries)
        return self._entries[name]

    def get(self, name: str) -> Any:
        """Import and return the class registered as ``name``."""
        return resolve(self.describe(name).target)

    def settings(self, name: str) -> Any:
        """Import and return the settings dataclass of ``name``."""
        return resolve(self.describe(name).settings)

    def names(self) -> tuple[str, ...]:
        """Registered names in the order of registration."""
        return tuple(self._entries)

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries.values())

    def __len__(self) -> int:
        return len(self._entries)

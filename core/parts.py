"""What the core offers: every public loss, sampler, head and adversary, read from ``catalogue.toml`` without torch."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any

from core.errors import unknown_name
from core.registry import resolve

__all__ = ["PACKAGES", "SHAPES", "Part", "find_part", "parts"]

PACKAGES: Mapping[str, str] = MappingProxyType(
    {"loss": "core.losses", "sampler": "core.samplers", "head": "core.heads", "adversary": "core.adversarial"}
)
"""The kinds of parts and where they are imported from."""

SHAPES: Mapping[str, str] = MappingProxyType(
    {
        "pairs": "two aligned batches (n, d), row i of one is the partner of row i of the other",
        "views": "stacked views (v, n, d)",
        "labels": "rows and the class of each",
        "targets": "rows and a number for each",
        "index": "two aligned batches and each row's place in the data set",
        "modalities": "two aligned batches of different kinds, such as images and texts",
        "maps": "two feature maps of one image, and where their pixels lie",
        "scores": "scores of true and of false candidates",
        "codes": "assignments to prototypes, or latent codes",
    }
)
"""What losses take, in the order of listings."""


@dataclass(frozen=True)
class Part:
    """One public class of the core.

    Attributes:
        name: the class.
        kind: a key of `PACKAGES`.
        takes: for a loss a key of `SHAPES`; for the others what goes in, in a few words.
        line: what it does, in one line.
        paper: authors and year.
        link: the paper's address.
        page: the page of the documentation, below ``docs/``.
    """

    name: str
    kind: str
    takes: str
    line: str
    paper: str
    link: str
    page: str

    @property
    def package(self) -> str:
        """Where to import it from."""
        return PACKAGES[self.kind]

    def load(self) -> Any:
        """Import and return the class; this imports torch."""
        return resolve(f"{self.package}:{self.name}")


@cache
def parts() -> tuple[Part, ...]:
    """Every part: losses by what they take, then samplers, heads and adversaries, in the catalogue's order.

    >>> sorted({part.kind for part in parts()} - set(PACKAGES))
    []
    """
    tables = tomllib.loads((files("core") / "catalogue.toml").read_text(encoding="utf-8"))
    found = [Part(name=name, **table) for name, table in tables.items()]
    kinds, shapes = list(PACKAGES), list(SHAPES)
    return tuple(sorted(found, key=lambda p: (kinds.index(p.kind), shapes.index(p.takes) if p.kind == "loss" else 0)))


def find_part(name: str, kind: str | None = None) -> Part:
    """The part of that name; case, dashes, underscores and the ending "Loss" may be left out.

    Args:
        name: for instance ``"DCLLoss"``, ``"dcl"`` or ``"mv-info-nce"``.
        kind: look only among this kind, a key of `PACKAGES`.

    Raises:
        UserError: there is none; the message has the nearest name.

    >>> find_part("nt-xent").name
    'NTXentLoss'
    """
    known = [part for part in parts() if kind in (None, part.kind)]
    for part in known:
        if _folded(part.name) == _folded(name):
            return part
    raise unknown_name(kind or "part", name, [part.name for part in known])


def _folded(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "").removesuffix("loss")

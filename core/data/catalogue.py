"""The catalogue: what public data sets the domains know, where they come from and what they must hash to."""

import tomllib
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

from core.errors import UserError, unknown_name
from core.plugins import domains

__all__ = ["DataSet", "PreparedFile", "RawFile", "catalogue", "find", "lookup"]


@dataclass(frozen=True)
class RawFile:
    """One public file: its name on disk, URL, size in bytes and sha256.

    An archive that its server packs on request has neither size nor checksum, for the packing may change; its address
    names a commit, and what is made of it is checked.
    """

    name: str
    url: str
    bytes: int = 0
    sha256: str = ""


@dataclass(frozen=True)
class PreparedFile:
    """One prepared file: size and sha256 as published, and the sha256 over what it holds.

    ``content`` hashes arrays or columns (see `core.data.integrity.content_digest`), so that a conversion on another
    machine, whose zip bytes may differ, can be told from a changed file. ``varies`` names arrays that it leaves out,
    because they depend on the version of a codec.
    """

    name: str
    bytes: int
    sha256: str
    content: str
    varies: tuple[str, ...] = ()


@dataclass(frozen=True)
class DataSet:
    """One entry.

    Attributes:
        domain, name: its place, ``<root>/<domain>/<name>``.
        title: one line.
        licence: as stated by the source.
        source: where it was published.
        citation: paper.
        files: prepared files.
        raw: public files they are made from.
        converter: ``"module:function"`` taking the folder of raw files and the path of the prepared file to write.
        counts: facts that tests check.
        facts: what readers want to know, for example ``normalise``.
    """

    domain: str
    name: str
    title: str
    licence: str
    source: str
    citation: str
    files: tuple[PreparedFile, ...]
    raw: tuple[RawFile, ...]
    converter: str
    counts: dict[str, int] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def bytes(self) -> int:
        """Size of the prepared files."""
        return sum(file.bytes for file in self.files)


@cache
def catalogue() -> tuple[DataSet, ...]:
    """All entries of all installed domains."""
    entries = []
    for domain in domains().values():
        resource = files(domain.catalogue) / "catalogue.toml"
        if resource.is_file():
            content = tomllib.loads(resource.read_text(encoding="utf-8"))
            entries += [_entry(domain.name, name, table) for name, table in content.items()]
    return tuple(entries)


def _entry(domain: str, name: str, table: dict[str, Any]) -> DataSet:
    return DataSet(
        domain=domain,
        name=name,
        title=table["title"],
        licence=table["licence"],
        source=table["source"],
        citation=table["citation"],
        files=tuple(PreparedFile(**{**one, "varies": tuple(one.get("varies", ()))}) for one in table["files"]),
        raw=tuple(RawFile(**one) for one in table["raw"]),
        converter=table["converter"],
        counts=table.get("counts", {}),
        facts=table.get("facts", {}),
    )


def lookup(domain: str, name: str) -> DataSet | None:
    """The entry of a domain by name, upper and lower case alike; None if there is none."""
    for entry in catalogue():
        if entry.domain == domain and entry.name.lower() == name.lower():
            return entry
    return None


def find(name: str) -> DataSet:
    """The entry called ``name`` or ``domain/name``.

    Raises:
        UserError: unknown, or the name stands in several domains.
    """
    domain, slash, plain = name.rpartition("/")
    found = [
        entry for entry in catalogue() if entry.name.lower() == plain.lower() and (not slash or entry.domain == domain)
    ]
    if len(found) > 1:
        raise UserError(f"{name!r} is in several domains; say {' or '.join(f'{e.domain}/{e.name}' for e in found)}")
    if not found:
        raise unknown_name("data set", name, [e.name if not slash else f"{e.domain}/{e.name}" for e in catalogue()])
    return found[0]

"""How the command finds domains and benchmarks: Python entry points, so that a third party can add its own.

Everything here is light: a plug-in describes itself with strings ("module:attribute"), and nothing heavy is imported
until one of its commands is chosen.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import entry_points

from core.errors import UserError, unknown_name

__all__ = ["Benchmark", "Command", "Domain", "benchmarks", "domain", "domains"]


@dataclass(frozen=True)
class Command:
    """One job of a domain, as ``counterpoint <domain> <name>``.

    Attributes:
        name: the word on the command line.
        summary: one line for the domain's help.
        example: a command line that works as it stands.
        target: ``"module:function"``. The function's typed signature and Google docstring become the flags.
    """

    name: str
    summary: str
    example: str
    target: str


@dataclass(frozen=True)
class Domain:
    """What a domain tells the suite about itself. Registered under the entry-point group ``counterpoint.domains``.

    Attributes:
        name: import name below ``domains`` and word on the command line.
        summary: one line.
        methods: ``"module:REGISTRY"`` of the domain's methods.
        task: ``"module:Task"``, the domain's implementation of `core.training.Task`, used by ``train``.
        catalogue: package that holds ``catalogue.toml`` (and a folder ``presets``).
        embedded: names and titles of data that need no download; the first is what ``train`` takes without ``--data``.
        commands: the jobs besides ``train`` and ``evaluate``, which every domain has.
    """

    name: str
    summary: str
    methods: str
    task: str
    catalogue: str
    embedded: Mapping[str, str] = field(default_factory=dict)
    commands: tuple[Command, ...] = ()


@dataclass(frozen=True)
class Benchmark:
    """One study. Registered under the entry-point group ``counterpoint.benchmarks``.

    Attributes:
        name: word after ``counterpoint bench``.
        summary: one line.
        target: ``"module:function"`` with the signature ``(profile, seeds, out) -> list[ResultRecord]``.
    """

    name: str
    summary: str
    target: str


def _load(group: str, kind: type) -> dict[str, object]:
    found: dict[str, object] = {}
    for point in sorted(entry_points(group=group), key=lambda p: p.name):
        try:
            plugin = point.load()
        except (ImportError, AttributeError) as error:
            raise UserError(
                f"entry point {point.value!r} in {group} cannot be loaded ({error}); update or uninstall its package"
            ) from error
        if not isinstance(plugin, kind):
            raise UserError(
                f"entry point {point.value!r} in {group} is a {type(plugin).__name__}, not a {kind.__name__}"
            )
        if point.name in found and found[point.name] != plugin:
            raise UserError(f"two packages offer {group} {point.name!r}; uninstall one of them")
        found[point.name] = plugin
    return found


def domains() -> dict[str, Domain]:
    """Every installed domain by name."""
    return {name: d for name, d in _load("counterpoint.domains", Domain).items() if isinstance(d, Domain)}


def domain(name: str) -> Domain:
    """The domain called ``name``; raises `core.errors.UserError` with near names if there is none."""
    known = domains()
    if name not in known:
        raise unknown_name("domain", name, known)
    return known[name]


def benchmarks() -> dict[str, Benchmark]:
    """Every installed benchmark by name."""
    return {name: b for name, b in _load("counterpoint.benchmarks", Benchmark).items() if isinstance(b, Benchmark)}

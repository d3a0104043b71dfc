"""``project.yaml``: what a project is made of and how its steps work, for a person to edit."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import yaml

from core.atomic import atomic_write
from core.checks import check_at_least
from core.errors import OperationError, UserError, unknown_name
from domains.tables.blocking import BLOCKERS
from domains.tables.conflicts.model_settings import ModelSettings
from domains.tables.conflicts.named import rule_of
from domains.tables.seeds import check_seed
from domains.tables.sets import SET_METHODS

__all__ = [
    "BlockSettings",
    "ClusterSettings",
    "ProjectSettings",
    "ResolveSettings",
    "SourceSettings",
    "read_settings",
    "write_settings",
]

VERSION = 1


@dataclass(frozen=True)
class SourceSettings:
    """One input.

    Attributes:
        name: short, unlike the others.
        path: file or address, as `domains.tables.data.read.read_source` takes it.
        encoding: of a text file; empty to find out.
        delimiter: of a text file; empty to find out.
        sheet: of a workbook; empty for the first.
        header: whether the first row names the columns.
        fill_short_rows: give rows with too few cells missing ones instead of rejecting them.
    """

    name: str
    path: str
    encoding: str = ""
    delimiter: str = ""
    sheet: str = ""
    header: bool = True
    fill_short_rows: bool = False


@dataclass(frozen=True)
class BlockSettings:
    """Which pairs are compared.

    Attributes:
        method: name in `domains.tables.blocking.BLOCKERS`.
        neighbours: each row is compared with so many nearest rows, and with those whose neighbour it is.
        most_pairs: the step stops, and says so, where there would be more.
        most_mib: the same for the memory that comparing the pairs takes, in MiB; 0 for no limit. The rows themselves,
            about as large as their text, come on top.
    """

    method: str = "auto"
    neighbours: int = 10
    most_pairs: int = 50_000_000
    most_mib: int = 0

    def __post_init__(self) -> None:
        if self.method not in BLOCKERS:
            raise UserError(f"method: {unknown_name('way to find pairs', self.method, BLOCKERS)}")
        check_at_least("neighbours", self.neighbours, 1)
        check_at_least("most_pairs", self.most_pairs, 1)
        check_at_least("most_mib", self.most_mib, 0)


@dataclass(frozen=True)
class ClusterSettings:
    """How sets are found.

    Attributes:
        method: name in `domains.tables.sets.SET_METHODS`.
        threshold: the least probability, in [0, 1]; -1 takes the one that the matcher suggests.
        max_size: most rows in a set; 0 for no limit.
        one_per_source: whether a set takes at most one row of a source. It loses the true pairs within sources.
    """

    method: str = "average_linkage"
    threshold: float = -1.0
    max_size: int = 0
    one_per_source: bool = False

    def __post_init__(self) -> None:
        if self.method not in SET_METHODS:
            raise UserError(f"method: {unknown_name('set method', self.method, SET_METHODS.names())}")
        if self.threshold != -1 and not 0 <= self.threshold <= 1:
            raise UserError(f"threshold must be in [0, 1], or -1 for the one suggested, got {self.threshold}")
        check_at_least("max_size", self.max_size, 0)


@dataclass(frozen=True)
class ResolveSettings:
    """How one value is chosen of several.

    Attributes:
        default: rule of the columns that have none of their own.
        rules: by column.
        llm: the language model of the rule "llm"; none is asked where no column has that rule.
    """

    default: str = "majority"
    rules: Mapping[str, str] = field(default_factory=dict)
    llm: ModelSettings = field(default_factory=ModelSettings)

    def __post_init__(self) -> None:
        _check_rule("default", self.default)
        for column, rule in self.rules.items():
            _check_rule(f"rules.{column}", rule)


def _check_rule(name: str, rule: str) -> None:
    """Refuse a rule that does not exist; columns and sources that it names are known only once the inputs are read."""
    if rule == "llm":  # what it needs is in `ResolveSettings.llm`, and not needed before the first conflict
        return
    try:
        rule_of(rule)
    except UserError as error:
        raise UserError(f"{name}: {error}") from error


@dataclass(frozen=True)
class ProjectSettings:
    """All settings of a project.

    Attributes:
        name: shown to people.
        seed: of all draws.
        sources: the inputs.
        block: see `BlockSettings`.
        cluster: see `ClusterSettings`.
        resolve: see `ResolveSettings`.
        version: of this form of file.
    """

    name: str
    sources: tuple[SourceSettings, ...]
    seed: int = 0
    block: BlockSettings = field(default_factory=BlockSettings)
    cluster: ClusterSettings = field(default_factory=ClusterSettings)
    resolve: ResolveSettings = field(default_factory=ResolveSettings)
    version: int = VERSION

    def __post_init__(self) -> None:
        if self.version != VERSION:
            raise ValueError(f"version must be {VERSION}, got {self.version}; this file is of another release")
        check_seed(self.seed)
        names = [source.name for source in self.sources]
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise ValueError(f"two sources are called {twice!r}; rename one")


_HEADER = """\
# Settings of this project. Change them freely; `counterpoint tables status` then says which steps to run again.
# block.method: how pairs are found: auto, nearest_rows, shared_values, token_index, minhash or all.
# block.neighbours: rows that each row is compared with by nearest_rows; more find more, and take longer.
# block.most_pairs: the step stops where more pairs would have to be compared.
# block.most_mib: the step stops where comparing the pairs would take more memory; 0 for no limit.
# cluster.threshold: the least probability, 0 to 1; -1 takes the one that the matcher suggests.
# resolve.rules: a rule for a column, e.g.  {phone: majority, name: longest}
# resolve.llm: the language model of columns with the rule llm; without a server nothing leaves this machine.
"""


def write_settings(path: str | Path, settings: ProjectSettings) -> None:
    """Write the file, with a comment on what may be changed.

    Args:
        path: of the file.
        settings: what it says.
    """
    shown = dataclasses.asdict(settings)
    shown["sources"] = [{name: value for name, value in source.items() if value != ""} for source in shown["sources"]]
    shown["resolve"]["rules"] = dict(settings.resolve.rules)
    shown["resolve"]["llm"]["redact"] = list(settings.resolve.llm.redact)
    with atomic_write(path) as file:
        file.write(_HEADER)
        yaml.safe_dump(shown, file, allow_unicode=True, sort_keys=False, width=1 << 30)


def read_settings(path: str | Path) -> ProjectSettings:
    """Read the file.

    Args:
        path: of the file.

    Raises:
        UserError: not YAML, an unknown key (with the nearest known one), a value of the wrong kind or out of range.
        OperationError: the file cannot be read.
    """
    path = Path(path)
    try:
        text = path.read_text("utf-8")
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8 text ({error.reason} at byte {error.start}); save it as UTF-8") from error
    except OSError as error:
        raise OperationError(f"cannot read {path}: {error.strerror or error}") from error
    try:
        shown = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError) as error:  # a date or number that cannot be is a plain ValueError
        mark = getattr(error, "problem_mark", None)
        place = f" line {mark.line + 1}" if mark else ""
        raise UserError(f"{path}{place}: not YAML ({getattr(error, 'problem', None) or error})") from error
    settings: ProjectSettings = _build(ProjectSettings, shown, str(path), "")
    return settings


def _build(kind: type[Any], shown: Any, path: str, where: str) -> Any:
    """A settings object from what stands in the file; ``where`` is the way to it, with a dot at the end."""
    if not isinstance(shown, Mapping):
        raise UserError(f"{path}: {where.rstrip('.') or 'the file'} needs names with values, got {shown!r}")
    hints = get_type_hints(kind)
    fields = {f.name: f for f in dataclasses.fields(kind)}
    for key in shown:
        if key not in fields:
            raise UserError(f"{path}: {unknown_name('setting', f'{where}{key}', [where + name for name in fields])}")
    for name, spec in fields.items():
        needed = spec.default is dataclasses.MISSING and spec.default_factory is dataclasses.MISSING
        if needed and name not in shown:
            raise UserError(f"{path}: {where}{name} is missing")
    values = {key: _value(hints[key], value, path, f"{where}{key}") for key, value in shown.items()}
    try:
        return kind(**values)
    except ValueError as error:
        raise UserError(f"{path}: {where}{error}") from error


def _value(hint: Any, value: Any, path: str, where: str) -> Any:
    if dataclasses.is_dataclass(hint):
        return _build(hint, value, path, f"{where}.")  # type: ignore[arg-type]
    origin = get_origin(hint)
    if origin is tuple:
        if not isinstance(value, list):
            raise UserError(f"{path}: {where} must be a list, got {value!r}")
        return tuple(_value(get_args(hint)[0], one, path, f"{where}[{i}]") for i, one in enumerate(value))
    if origin is Mapping:
        if not isinstance(value, Mapping) or not all(isinstance(v, str) for v in value.values()):
            raise UserError(f"{path}: {where} must be columns with the name of a rule each, got {value!r}")
        return {str(key): one for key, one in value.items()}
    if hint is float and isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**53:
        return float(value)
    if not isinstance(value, hint) or (hint is int and isinstance(value, bool)):
        words = {str: "text in quotes", int: "a whole number", float: "a number", bool: "true or false"}[hint]
        raise UserError(f"{path}: {where} must be {words}, got {value!r}")
    return value

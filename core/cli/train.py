"""``counterpoint <domain> train METHOD``: flags, presets and files all become the method's typed settings."""

import logging
from collections.abc import Sequence
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any, get_type_hints

from rich.console import Console
from rich.table import Table

from core.cli.parser import CommandParser, shown_type
from core.errors import UserError, unknown_name
from core.plugins import Domain
from core.registry import Registry, resolve
from core.training.presets import preset_names, read_preset, read_yaml

__all__ = ["run_train", "train_help"]

_log = logging.getLogger(__name__)


def train_help(domain: Domain, registry: Registry) -> str:
    """The screen of ``train --help`` without a method: which there are."""
    rows = [f"  {entry.name:<16}{entry.summary}  ({entry.paper})" for entry in registry]
    return "\n".join(
        [
            f"usage: counterpoint {domain.name} train METHOD [--data NAME|PATH] [--SETTING value ...] [--out DIR]",
            "",
            "methods",
            *rows,
            "",
            f"presets: {', '.join(preset_names(domain.catalogue))}",
            "",
            f"counterpoint {domain.name} train METHOD --help lists the settings of a method",
            f"example: counterpoint {domain.name} train {next(iter(registry)).name} --out runs/first",
        ]
    )


def run_train(domain: Domain, words: Sequence[str]) -> int:
    """Train, evaluate and save one method; print its scores.

    Raises:
        UserError: unknown method, flag, preset or data; bad values.
    """
    registry: Registry = resolve(domain.methods)
    if not words or words[0] in ("-h", "--help"):
        print(train_help(domain, registry))
        return 0
    name = words[0]
    if name.startswith("-"):
        raise UserError(f"the method comes first: counterpoint {domain.name} train METHOD {name} ...")
    settings_class = registry.settings(name)
    from core.distributed import rank
    from core.training import FitSettings, ReadingTask, resolve_settings, train

    task = resolve(domain.task)()
    groups: dict[tuple[str, str], type] = {
        **({("how the data are read", "read."): task.read_settings} if isinstance(task, ReadingTask) else {}),
        ("what is learned", ""): settings_class,
        ("how it is scored", "evaluate."): task.evaluation_settings,
        ("how it is run", ""): FitSettings,
    }
    parser = _make_parser(domain, registry, name, groups)
    if "-h" in words or "--help" in words:
        print(parser.format_help())
        return 0
    chosen = parser.read(words[1:])
    file = dict(read_yaml(chosen.config)) if chosen.config else {}
    file_evaluation, file_reading = file.pop("evaluate", {}), file.pop("read", {})
    if isinstance(task, ReadingTask):
        task.reading = resolve_settings(
            task.read_settings,
            (f"file {chosen.config}", file_reading),
            ("command line", _given(chosen, [f.name for f in fields(task.read_settings)], "read.")),
        )
    preset = _choose_preset(domain, chosen.preset, chosen.data)
    preset_settings, preset_evaluation = read_preset(domain.catalogue, preset, name) if preset else ({}, {})
    fit_names = [f.name for f in fields(FitSettings)]
    file_fit = {key: file.pop(key) for key in list(file) if key in fit_names}
    settings = resolve_settings(
        settings_class,
        (f"preset {preset}", preset_settings),
        (f"file {chosen.config}", file),
        ("command line", _given(chosen, [f.name for f in fields(settings_class)])),
    )
    evaluation = resolve_settings(
        task.evaluation_settings,
        (f"preset {preset}", preset_evaluation),
        (f"file {chosen.config}", file_evaluation),
        ("command line", _given(chosen, [f.name for f in fields(task.evaluation_settings)], "evaluate.")),
    )
    fit_settings = resolve_settings(
        FitSettings, (f"file {chosen.config}", file_fit), ("command line", _given(chosen, fit_names))
    )
    shown = Path(chosen.data).stem if chosen.data else "default"
    folder = Path(chosen.out or f"runs/{domain.name}/{name}-{shown}-{fit_settings.seed}")
    result = train(
        task,
        registry,
        name,
        data=chosen.data,
        settings=settings,
        evaluation=evaluation,
        fit_settings=fit_settings,
        folder=folder,
        resume=chosen.resume,
    )
    if rank():  # another process of the same run prints
        return 0
    table = Table("metric", "value", title=f"{name} on {chosen.data or 'the embedded default'}")
    for metric, value in result.scores.items():
        table.add_row(metric, f"{value:.4f}")
    Console(width=100).print(table)
    print(f"model: {folder / 'model'}")
    return 0


def _choose_preset(domain: Domain, asked: str | None, data: str | None) -> str | None:
    """The preset that was asked for; else the one named like the data set, which is said on stderr.

    Without a data set it is the embedded default, the first that the domain names.
    """
    known = preset_names(domain.catalogue)
    if asked is not None:
        if asked.lower() != "none" and asked.lower() not in known:
            raise unknown_name("preset", asked, [*known, "none"])
        return None if asked.lower() == "none" else asked.lower()
    default = next(iter(domain.embedded), "")
    name = (data or default).rpartition("/")[2].lower()
    if name in known:
        _log.info("using the preset %s (--preset none for the plain defaults)", name)
        return name
    return None


def _make_parser(domain: Domain, registry: Registry, name: str, groups: dict[tuple[str, str], type]) -> CommandParser:
    entry = registry.describe(name)
    parser = CommandParser(
        f"counterpoint {domain.name} train {name}",
        f"{entry.summary} ({entry.paper})",
        f"counterpoint {domain.name} train {name} --seed 1 --out runs/{name}",
    )
    parser.add_argument(
        "--data", type=str, default=None, metavar="NAME|PATH", help="catalogue name or path (default: embedded data)"
    )
    parser.add_argument(
        "--preset", type=str, default=None, metavar="NAME", help="settings of a data set; none: plain defaults"
    )
    parser.add_argument(
        "--config", type=str, default=None, metavar="FILE", help="YAML file of settings, overridden by flags"
    )
    parser.add_argument(
        "--out", type=str, default=None, metavar="DIR", help="run folder (default: runs/DOMAIN/METHOD-DATA-SEED)"
    )
    parser.add_argument("--resume", action="store_true", help="continue the run in the folder")
    for (title, prefix), kind in groups.items():
        _add_fields(parser.add_argument_group(title), kind, prefix)
    return parser


def _add_fields(group: Any, kind: type, prefix: str) -> None:
    """One flag per field. The parser's default is None, so that only what was typed overrides presets and files."""
    hints = get_type_hints(kind)
    explained = _attribute_help(kind)
    for field in fields(kind):
        default = field.default if field.default is not MISSING else None
        text = explained.get(field.name, "").removesuffix(".").replace("%", "%%")
        hint = hints[field.name]
        group.add_argument(
            f"--{prefix}{field.name.replace('_', '-')}",
            type=hint | None,
            default=None,
            metavar=shown_type(hint),
            help=f"{text} [{str(default).lower() if isinstance(default, bool) else default}]",
        )


def _attribute_help(kind: type) -> dict[str, str]:
    """The lines of the "Attributes" section, of base classes too: help text and docstring are one thing."""
    found: dict[str, str] = {}
    for base in reversed(kind.__mro__):
        current = ""
        _, _, section = (base.__doc__ or "").partition("Attributes:")
        for line in section.splitlines():
            name, colon, text = line.strip().partition(":")
            if colon and name.isidentifier() and line.startswith("        ") and not line.startswith("         "):
                current = name
                found[current] = text.strip()
            elif current and line.strip():
                found[current] += f" {line.strip()}"
    return found


def _given(chosen: Any, names: Sequence[str], prefix: str = "") -> dict[str, Any]:
    """The values that were typed."""
    return {name: chosen[prefix + name] for name in names if chosen[prefix + name] is not None}

"""``counterpoint losses``: what the core offers, by the shape of the data."""

import inspect
import json
import shutil
import sys
import textwrap
from collections.abc import Sequence
from dataclasses import asdict
from itertools import groupby
from typing import Any

from core.cli.parser import CommandParser
from core.errors import UserError, unknown_name
from core.parts import PACKAGES, SHAPES, Part, find_part, parts

__all__ = ["losses"]

_CALLED = ("forward", "__call__", "__iter__")
_HIDDEN = ("extra_repr", "get_extra_state", "set_extra_state", "load_state_dict", "state_dict")
_SECTIONS = ("Args:", "Attributes:", "Shape:", "Returns:", "Raises:", "Relations:", "Notes:", ">>>")


def losses(words: Sequence[str]) -> int:
    """List losses or the other parts, or show one of them.

    Raises:
        UserError: an unknown name, kind or shape.
    """
    parser = CommandParser(
        "counterpoint losses",
        "The losses of core.losses, by what they take: "
        + "; ".join(f"{name} ({text})" for name, text in SHAPES.items())
        + ". With a name: its settings, its formula and its page.",
        "counterpoint losses --takes labels",
    )
    parser.add_argument("name", type=str, nargs="?", default=None, help="show one part: DCLLoss, dcl, MemoryQueue, VAT")
    parser.add_argument("--takes", type=str, default=None, metavar="SHAPE", help=f"losses for {', '.join(SHAPES)}")
    parser.add_argument("--kind", type=str, default=None, metavar="KIND", help=f"{', '.join(PACKAGES)} or all [loss]")
    parser.add_argument("--json", action="store_true", help="print records instead")
    if "-h" in words or "--help" in words:
        print(parser.format_help())
        return 0
    chosen = parser.read(words)
    _check(chosen.name, chosen.takes, chosen.kind)
    if chosen.name is not None:
        _show(find_part(chosen.name, None if chosen.kind == "all" else chosen.kind), chosen.json)
        return 0
    kind = chosen.kind or "loss"
    found = [p for p in parts() if kind in ("all", p.kind) and chosen.takes in (None, p.takes)]
    if chosen.json:
        print(json.dumps([_record(part) for part in found], indent=2))
    else:
        _list(found)
    return 0


def _check(name: str | None, takes: str | None, kind: str | None) -> None:
    if kind is not None and kind not in (*PACKAGES, "all"):
        raise unknown_name("kind", kind, [*PACKAGES, "all"])
    if takes is None:
        return
    if takes not in SHAPES:
        raise unknown_name("shape of data", takes, SHAPES)
    if name is not None or kind not in (None, "loss"):
        raise UserError("--takes filters the list of losses; leave it out with a name or another kind")


def _record(part: Part) -> dict[str, str]:
    return asdict(part) | {"package": part.package}


def _group(part: Part) -> str:
    return f"{part.takes}: {SHAPES[part.takes]}" if part.kind == "loss" else f"{part.kind}: from {part.package}"


def _list(found: list[Part]) -> None:
    terminal = sys.stdout.isatty()
    for place, (title, group) in enumerate(groupby(found, key=_group)):
        if place:
            print()
        (_table if terminal else _plain)(title, list(group), found)
    if terminal:
        print("\ncounterpoint losses NAME shows one; --kind all lists the other kinds too")


def _plain(title: str, group: list[Part], found: list[Part]) -> None:
    """One line a part, whatever its length, for a pipe."""
    print(title)
    widths = [max(len(getattr(part, column)) for part in found) for column in ("name", "line", "paper")]
    for part in group:
        cells = (part.name, part.line, part.paper)
        print("  " + "".join(f"{cell:<{width}}  " for cell, width in zip(cells, widths, strict=True)) + part.link)


def _table(title: str, group: list[Part], found: list[Part]) -> None:
    """In colour, paper and link below the line, wrapped to the terminal."""
    from rich.console import Console
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column(style="bold cyan", no_wrap=True, min_width=max(len(part.name) for part in found))
    for part in group:
        source = Text(f"{part.paper}  {part.link}", style="dim")
        table.add_row(part.name, Text.assemble(part.line, "\n", source))
    console = Console(highlight=False)
    console.print(title, style="bold")
    console.print(Padding(table, (0, 0, 0, 2)))


def _show(part: Part, as_json: bool) -> None:
    if as_json:
        print(json.dumps(_record(part), indent=2))
        return
    made = part.load()
    takes = f"{part.takes}, {SHAPES[part.takes]}" if part.kind == "loss" else part.takes
    rows = [
        ("import", f"from {part.package} import {part.name}"),
        ("takes", takes),
        ("settings", f"{part.name}{_arguments(made)}"),
        *_calls(part, made),
        ("paper", part.paper),
        ("link", part.link),
        ("page", f"docs/{part.page}"),
    ]
    width = max(60, min(shutil.get_terminal_size((120, 40)).columns, 120))
    print(f"{part.name}: {part.line}\n")
    for name, text in rows:
        start = f"{name + ':' if name else '':<10}"
        print(textwrap.fill(start + text, width, subsequent_indent=" " * 10, break_on_hyphens=False))
    print("\n" + _explained(made))


class _Name(str):
    """Shown as it is, without quotes."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def _arguments(called: Any) -> str:
    """The arguments of a class or method, without types and without self."""
    shown = []
    for one in inspect.signature(called).parameters.values():
        if one.name != "self":
            bare = one.replace(annotation=inspect.Parameter.empty)
            shown.append(bare.replace(default=_Name(one.default.__name__)) if inspect.isfunction(one.default) else bare)
    return str(inspect.Signature(shown))


def _calls(part: Part, made: type) -> list[tuple[str, str]]:
    """How an object of the class is used: by a call, and by the public methods that are ours and not torch's."""
    ours = [one for one in inspect.getmro(made) if one.__module__.startswith("core.")]
    fields = getattr(made, "__dataclass_fields__", {})
    methods = [
        name
        for one in ours
        for name, value in vars(one).items()
        if inspect.isfunction(value) or isinstance(value, staticmethod)
    ]
    names = [name for name in dict.fromkeys(methods) if name not in fields]
    called = [name for name in _CALLED if name in names][:1]
    public = [name for name in names if not name.startswith("_") and name not in (*_CALLED, *_HIDDEN)]
    texts = [f"{part.kind}{_arguments(getattr(made, name))}" for name in called]
    texts += [f"{part.kind}.{name}{_arguments(getattr(made, name))}" for name in public]
    return [("call" if not place else "", text) for place, text in enumerate(texts)]


def _explained(made: type) -> str:
    """The docstring up to its first section; that of the function where the class only holds its settings."""
    text = inspect.getdoc(made) or ""
    first = text.split("`")
    module = sys.modules[made.__module__]
    if text.startswith("`") and hasattr(module, first[1]):
        text = inspect.getdoc(getattr(module, first[1])) or text
    lines = text.splitlines()
    ends = [place for place, line in enumerate(lines) if line.startswith(_SECTIONS)]
    return "\n".join(lines[: min(ends, default=len(lines))]).strip()

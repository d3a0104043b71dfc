"""``counterpoint bench``: run the studies, print their tables."""

import inspect
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from core.cli.parser import CommandParser
from core.errors import UserError, unknown_name
from core.plugins import benchmarks
from core.registry import resolve

__all__ = ["bench"]


def bench(words: Sequence[str]) -> int:
    """Run the studies named, or all of them.

    Raises:
        UserError: an unknown study, profile or part.
    """
    known = benchmarks()
    parser = CommandParser(
        "counterpoint bench",
        "Run studies and print their tables. A study that was stopped goes on where it was. Studies: "
        + "; ".join(f"{name} ({study.summary})" for name, study in known.items()),
        "counterpoint bench graphs --profile quick",
    )
    parser.add_argument("studies", type=str, nargs="*", help="which (default: all)")
    parser.add_argument(
        "--profile",
        type=Literal["quick", "cpu", "paper"],
        default="quick",
        help="quick: embedded data, minutes; cpu: real data, hours; paper: the paper's setting",
    )
    parser.add_argument("--seeds", type=int | None, default=None, help="seeds per system (default: the study's own)")
    parser.add_argument("--out", type=str, default="bench-results", help="folder of result records")
    parser.add_argument("--only", type=str, nargs="+", default=[], help="parts of one study, for example: --only cora")
    if "-h" in words or "--help" in words:
        print(parser.format_help())
        return 0
    chosen = parser.read(words)
    if chosen.seeds is not None and chosen.seeds < 1:
        raise UserError(f"--seeds must be at least 1, got {chosen.seeds}")
    for name in chosen.studies:
        if name not in known:
            raise unknown_name("study", name, known)
    names = chosen.studies or list(known)
    if chosen.only and len(names) != 1:
        raise UserError("--only chooses parts of one study; name that study")
    from core.reporting.table import print_tables

    for name in names:
        run = resolve(known[name].target)
        options = {}
        if chosen.only:
            if "only" not in inspect.signature(run).parameters:
                raise UserError(f"the study {name} has no parts to choose from; leave --only out")
            options["only"] = chosen.only
        print_tables(run(chosen.profile, chosen.seeds, Path(chosen.out), **options))
    print(f"records: {chosen.out}")
    return 0

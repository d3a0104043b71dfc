"""``counterpoint data list | show | fetch``."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from core.cli.parser import CommandParser
from core.errors import UserError, unknown_name

__all__ = ["data"]

_HELP = """usage: counterpoint data COMMAND

  list           every data set: size, licence, and whether it is here
  show NAME      one data set: source, citation, files, checksums
  fetch NAME     download what is missing, check it, print the folder

COUNTERPOINT_DATA names the folder where data sets live (default: the platform's cache folder).
example: counterpoint data show graphs/cora"""


def data(words: Sequence[str]) -> int:
    """List, show or fetch data sets.

    Raises:
        UserError: an unknown command or name. OperationError: a download failed.
    """
    if not words or words[0] in ("-h", "--help"):
        print(_HELP)
        return 0
    commands = {"list": _list, "show": _show, "fetch": _fetch}
    if words[0] not in commands:
        raise unknown_name("data command", words[0], commands)
    commands[words[0]](list(words[1:]))
    return 0


def _one_name(command: str, words: list[str]) -> str:
    parser = CommandParser(
        f"counterpoint data {command}", f"{command} one data set", f"counterpoint data {command} graphs/cora"
    )
    parser.add_argument("name", type=str, help="name, or domain/name")
    name: str = parser.read(words).name
    return name


def _list(words: list[str]) -> None:
    if words:
        raise UserError(f"counterpoint data list takes nothing more, got {' '.join(words)}")
    from core.data import catalogue, data_root, is_present
    from core.plugins import domains

    table = Table("name", "title", "size", "licence", "here", title=f"data sets ({data_root()})", title_justify="left")
    for entry in catalogue():
        size = f"{entry.bytes / 1e6:.2f} MB"
        here = "yes" if is_present(entry) else "no"
        table.add_row(f"{entry.domain}/{entry.name}", entry.title, size, entry.licence, here)
    for domain in domains().values():
        for name, title in domain.embedded.items():
            table.add_row(f"{domain.name}/{name}", title, "", "comes with a dependency", "built in")
    Console(width=140).print(table)


def _show(words: list[str]) -> None:
    from core.data import find, folder_of, is_present

    name = _one_name("show", words)
    built_in = _built_in(name)
    if built_in is not None:
        print(f"{name}: {built_in}; built in, nothing to fetch")
        return
    entry = find(name)
    print(f"{entry.domain}/{entry.name}: {entry.title}")
    print(f"licence:  {entry.licence}\nsource:   {entry.source}\ncitation: {entry.citation}")
    print(f"folder:   {folder_of(entry)} ({'present' if is_present(entry) else 'not fetched'})")
    print("counts:   " + ", ".join(f"{value:,} {name}" for name, value in entry.counts.items()))
    for file in entry.files:
        print(f"file:     {file.name}, {file.bytes:,} bytes, sha256 {file.sha256}")
    for raw in entry.raw:
        print(
            f"raw:      {raw.url}, "
            + (f"{raw.bytes:,} bytes, sha256 {raw.sha256}" if raw.sha256 else "packed on request")
        )


def _fetch(words: list[str]) -> None:
    from core.data import fetch

    name = _one_name("fetch", words)
    if _built_in(name) is not None:
        print(f"{name} is built in, there is nothing to fetch")
        return
    print(fetch(name))


def _built_in(name: str) -> str | None:
    """Title of an embedded data set; None if it is none."""
    from core.plugins import domains

    owner, _, plain = name.rpartition("/")
    for domain in domains().values():
        if plain in domain.embedded and owner in ("", domain.name):
            return domain.embedded[plain]
    return None

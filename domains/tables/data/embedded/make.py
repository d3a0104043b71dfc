"""Makes the files of the embedded tables again, byte for byte: ``python -m domains.tables.data.embedded.make``.

The institutions are invented; where results on them are shown they are called synthetic.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random

from core.atomic import atomic_write
from domains.tables.data.embedded.institutions import Institution, institutions, pick
from domains.tables.data.embedded.noise import abbreviated, misspelt, without_accents

__all__ = ["make"]

Row = list[str]
Entries = list[tuple[int, Row]]  # number of the institution, cells
_GOLD = ("name", "kind", "street", "postcode", "town", "phone", "website", "opened")


def make(folder: str | Path) -> None:
    """Write the four sources, the truth and the gold table into a folder.

    Args:
        folder: where to; files of the same names are replaced.
    """
    folder = Path(folder)
    true = institutions(Random(1))
    entries = {
        "register": _listed(Random(2), true, 0.8, 0.02, _register),
        "tourism": _listed(Random(3), true, 0.65, 0.08, _tourism),
        "map": _listed(Random(4), true, 0.7, 0.05, _mapped),
        "volunteers": _listed(Random(5), true, 0.5, 0.05, _volunteers),
    }
    rows = {name: [row for _, row in listed] for name, listed in entries.items()}
    register = _delimited(("Name", "Type", "Street", "Postcode", "Town", "Phone", "Opened"), rows["register"], ",")
    _write(folder / "register.csv", register, "utf-8-sig")
    tourism = _delimited(
        ("Attraction", "Category", "Address", "ZIP", "City", "Telephone", "Homepage"), rows["tourism"], ";"
    )
    # a line that broke in two when somebody edited the file by hand, and a blank one
    lines = tourism.split("\n")
    lines[20:20] = ["Museum of Lost;museum", ""]
    _write(folder / "tourism.csv", "\n".join(lines), "cp1252")
    keys = ("title", "kind", "street", "housenumber", "postcode", "city", "phone", "website")
    objects = ({key: cell for key, cell in zip(keys, row, strict=True) if cell} for row in rows["map"])
    _write(folder / "map.jsonl", "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in objects), "utf-8")
    names = ("Institution", "Where", "Street", "Founded", "Tel.", "Remarks")
    volunteers = _delimited(names, rows["volunteers"], "\t").replace("\n", "\r\n")
    _write(folder / "volunteers.tsv", "\ufeff" + volunteers, "utf-16-le")
    truth = [
        [source, str(row), str(entity)] for source, listed in entries.items() for row, (entity, _) in enumerate(listed)
    ]
    _write(folder / "truth.csv", _delimited(("source", "row", "entity"), truth, ","), "utf-8")
    gold = [
        [str(entity), one.name, one.kind, f"{one.street} {one.number}", *(getattr(one, key) for key in _GOLD[3:])]
        for entity, one in enumerate(true)
    ]
    _write(folder / "gold.csv", _delimited(("entity", *_GOLD), gold, ","), "utf-8")


def _listed(
    random: Random,
    true: Sequence[Institution],
    share: float,
    twice: float,
    entry: Callable[[Random, Institution], Row],
) -> Entries:
    """A list of some institutions, a few of them twice, in a mixed order."""
    made: Entries = []
    for number, one in enumerate(true):
        times = (random.random() < share) * (1 + (random.random() < twice))
        made += [(number, entry(random, one)) for _ in range(times)]
    order = sorted(range(len(made)), key=lambda _: random.random())
    return [made[place] for place in order]


def _register(random: Random, one: Institution) -> Row:
    """The official list: few errors, no web pages, names of libraries with their town."""
    name = f"{one.town} {one.name}" if one.name == "Public Library" else one.name
    name = misspelt(random, name) if random.random() < 0.06 else name
    phone = "" if random.random() < 0.1 else one.phone
    opened = "" if random.random() < 0.15 else one.opened
    return [name, one.kind, f"{one.street} {one.number}", one.postcode, one.town, phone, opened]


def _tourism(random: Random, one: Institution) -> Row:
    """The tourist office: abbreviations, other words for kinds, phone numbers in its own form."""
    name = abbreviated(random, one.name) if random.random() < 0.6 else one.name
    name = misspelt(random, name) if random.random() < 0.1 else name
    kind = {"library": "Library", "museum": "Museum / Gallery", "bookshop": "Shopping: books"}[one.kind]
    street = abbreviated(random, f"{one.number} {one.street}")
    phone = _stale(random, one.phone, 0.12)
    area, _, number = phone.partition(" ")
    phone = f"+44 {area[1:]} {number[:3]} {number[3:]}" if random.random() < 0.85 else ""
    postcode = "" if random.random() < 0.2 else one.postcode.lstrip("0") if random.random() < 0.3 else one.postcode
    website = "" if random.random() < 0.25 else f"https://{one.website}/" if one.website else ""
    return [name, kind, street, postcode, one.town, phone, website]


def _mapped(random: Random, one: Institution) -> Row:
    """The map of volunteers: capitals and accents as it comes, street and number apart, much missing."""
    name = misspelt(random, one.name) if random.random() < 0.12 else one.name
    name = without_accents(name) if random.random() < 0.3 else name
    name = name.upper() if random.random() < 0.05 else name
    kind = {"library": "library", "museum": "museum", "bookshop": "books"}[one.kind]
    number = str(int(random.random() * 90) + 1) if random.random() < 0.06 else one.number
    town = without_accents(one.town) if random.random() < 0.4 else one.town
    phone = "" if random.random() < 0.45 else _stale(random, one.phone, 0.06).replace(" ", "-")
    website = "" if random.random() < 0.4 else one.website
    postcode = "" if random.random() < 0.3 else one.postcode
    return [name, kind, one.street, number, postcode, town, phone, website]


def _volunteers(random: Random, one: Institution) -> Row:
    """A sheet kept by hand: typos, old years and numbers, remarks."""
    name = misspelt(random, one.name) if random.random() < 0.3 else one.name
    name = f"{name}, {one.town}" if random.random() < 0.2 else name
    town = misspelt(random, one.town) if random.random() < 0.1 else one.town
    street = "" if random.random() < 0.35 else abbreviated(random, f"{one.street} {one.number}")
    founded = "" if random.random() < 0.3 else _other_year(random, one.opened, 0.25)
    phone = "" if random.random() < 0.5 else _stale(random, one.phone, 0.25)
    remark = pick(random, ("", "", "", "closed on Mondays", "ask for Anna", "moved?", 'sign says "open"', "see\nnotes"))
    return [name, town, street, founded, phone, remark]


def _stale(random: Random, phone: str, share: float) -> str:
    """With some probability an older number."""
    if random.random() >= share:
        return phone
    return phone[:-3] + str(100 + int(random.random() * 900))


def _other_year(random: Random, year: str, share: float) -> str:
    if random.random() >= share:
        return year
    return str(int(year) + (-10, -1, 1, 10)[int(random.random() * 4)])


def _delimited(names: Sequence[str], rows: Sequence[Row], delimiter: str) -> str:
    def cell(text: str) -> str:
        return '"' + text.replace('"', '""') + '"' if any(c in text for c in (delimiter, '"', "\n")) else text

    return "".join(delimiter.join(map(cell, row)) + "\n" for row in (list(names), *rows))


def _write(path: Path, text: str, encoding: str) -> None:
    with atomic_write(path, "wb") as file:
        file.write(text.encode(encoding))


if __name__ == "__main__":
    make(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent / "libraries")

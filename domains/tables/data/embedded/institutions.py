"""The invented libraries, bookshops and museums that the embedded tables tell about."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from domains.tables.data.embedded.vocabulary import CHAINS, FAMILIES, MUSEUM_SUBJECTS, STREETS, TOWNS

__all__ = ["Institution", "institutions", "pick"]


@dataclass(frozen=True)
class Institution:
    """One institution, every value true."""

    name: str
    kind: str
    street: str
    number: str
    postcode: str
    town: str
    phone: str
    website: str
    opened: str


def institutions(random: Random) -> list[Institution]:
    """All institutions; hard to tell apart on purpose.

    Every town has a Public Library, most have a branch library in another street, a chain has branches in several towns
    and sometimes two in one, towns have names that contain each other, and museums of one subject stand in two towns.
    """
    made = []
    for place, (town, _, _, domain) in enumerate(TOWNS):
        web = f"www.{domain}.example"
        made.append(_institution(random, "Public Library", "library", place, f"{web}/library"))
        made.append(_institution(random, f"{town} University Library", "library", place, f"lib.{domain}-uni.example"))
        if place % 4 != 3:
            street = pick(random, STREETS)
            name = f"{street.rsplit(' ', 1)[0]} Branch Library"
            made.append(_institution(random, name, "library", place, f"{web}/library/branches", street))
        for step in range(2):
            subject = MUSEUM_SUBJECTS[(place + step * 5) % len(MUSEUM_SUBJECTS)]
            form = ("Museum of {}", "{} Museum", "{} Collection")[(place + step) % 3]
            made.append(_institution(random, form.format(subject), "museum", place, f"{web}/museums"))
        chain, page = CHAINS[place % len(CHAINS)]
        made.append(_institution(random, chain, "bookshop", place, page))
        if place % 3 == 0:
            made.append(_institution(random, chain, "bookshop", place, page))
        for step in range(2 + place % 2):
            family = FAMILIES[(place * 3 + step * 7) % len(FAMILIES)]
            form = ("{} Bookshop", "{} & Sons Booksellers", "{} Antiquarian Books")[(place + step) % 3]
            page = "" if random.random() < 0.3 else f"{_plain(family)}-books.example"
            made.append(_institution(random, form.format(family), "bookshop", place, page))
    return made


def pick(random: Random, choices: tuple[str, ...]) -> str:
    """One of several; made from `Random.random`, the one method whose numbers Python promises to keep."""
    return choices[int(random.random() * len(choices))]


def _institution(random: Random, name: str, kind: str, place: int, website: str, street: str = "") -> Institution:
    town, postcode, area, _ = TOWNS[place]
    street = street or pick(random, STREETS)
    number = str(1 + int(random.random() ** 2 * 120)) + ("a" if random.random() < 0.1 else "")
    phone = f"{area} {100000 + int(random.random() * 899999)}"
    opened = str(1780 + int(random.random() ** 0.5 * 240))
    last = str(int(random.random() * 3))
    return Institution(name, kind, street, number, f"0{postcode[:3]}{last}", town, phone, website, opened)


def _plain(name: str) -> str:
    table = str.maketrans({"é": "e", "ö": "oe", "ü": "ue", "á": "a", "ñ": "n"})
    return name.lower().translate(table)

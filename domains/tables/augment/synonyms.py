"""Words for others of the same meaning, from a small dictionary that anybody can extend."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path

import numpy as np

from core.errors import UserError
from domains.tables.augment.base import ValueAugmenter, is_number
from domains.tables.augment.keyboard import matching_case

__all__ = ["SynonymAugmenter", "read_synonyms"]

_LONGEST = 3
"""Words of the longest phrase that is looked up."""
_EDGE = ".,;:()"

Lookup = Callable[[str], Sequence[str]]


def read_synonyms(path: str | Path) -> dict[str, tuple[str, ...]]:
    """Read a dictionary: a TOML file in which every key is a list of groups, ``names = [["robert", "bob"], ...]``.

    Args:
        path: the file.

    Returns:
        Each phrase in lower case with the others of its groups.

    Raises:
        UserError: no such file, no TOML, or groups in another form; the message names the key.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} cannot be read as UTF-8 text ({error})") from error
    return _parsed(text, str(path))


@cache
def _embedded() -> Mapping[str, tuple[str, ...]]:
    name = "synonyms.toml"
    return _parsed(files("domains.tables.augment").joinpath(name).read_text(encoding="utf-8"), name)


def _parsed(text: str, name: str) -> dict[str, tuple[str, ...]]:
    try:
        lists = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"{name} is not valid TOML: {error}") from error
    for key, groups in lists.items():
        if not (isinstance(groups, list) and all(_is_group(group) for group in groups)):
            raise UserError(
                f'{name}: {key} must be a list of groups of two words or more, as {key} = [["street", "st"], ...]'
            )
    return _merged(group for groups in lists.values() for group in groups)


def _is_group(group: object) -> bool:
    return isinstance(group, list) and len(group) > 1 and all(isinstance(word, str) and word.strip() for word in group)


def _merged(groups: Iterable[Sequence[str]]) -> dict[str, tuple[str, ...]]:
    others: dict[str, dict[str, None]] = {}
    for group in groups:
        phrases = [" ".join(phrase.lower().split()) for phrase in group]
        for phrase in phrases:
            others.setdefault(phrase, {}).update(dict.fromkeys(p for p in phrases if p != phrase))
    return {phrase: tuple(found) for phrase, found in others.items() if found}


class SynonymAugmenter(ValueAugmenter):
    """One word or phrase of a text for another of the same meaning: streets, firms, journals, products, names.

    The paper (arXiv 2412.00324) takes WordNet synonyms and hypernyms, which need a lexicon that is not shipped: pass
    ``lookup`` for one. Phrases of up to three words are found, whatever their case and the punctuation around them; the
    case is kept, the punctuation is not. Numbers, and texts with no known word, stay.

    Args:
        rate: share of the values of a row that are changed, in [0, 1); each row changes one at least.
        extra: a file of further groups, see `read_synonyms`; where a phrase is in both, its file's others are added.
        lookup: from a word in lower case to its synonyms, such as a function over WordNet; asked where the dictionary
            knows no phrase of a text.

    Raises:
        UserError: the file cannot be read.
        ValueError: a rate out of range.

    >>> SynonymAugmenter().values(["Acme Corporation", "Main Street"], np.random.default_rng(0))
    ['Acme Corp', 'Main St']
    """

    def __init__(self, rate: float = 0.3, *, extra: str | Path | None = None, lookup: Lookup | None = None) -> None:
        super().__init__(rate)
        self._others = dict(_embedded())
        for phrase, found in (read_synonyms(extra) if extra is not None else {}).items():
            self._others[phrase] = tuple(dict.fromkeys((*self._others.get(phrase, ()), *found)))
        self._lookup = lookup

    def values(self, texts: Sequence[str], rng: np.random.Generator) -> list[str]:
        """One changed version of each text.

        Args:
            texts: none blank.
            rng: of every draw.
        """
        draws = rng.random((len(texts), 2)).tolist()
        return [self._changed(text, *draw) for text, draw in zip(texts, draws, strict=True)]

    def _changed(self, text: str, where: float, which: float) -> str:
        if is_number(text):
            return text
        words = text.split()
        plain = [word.strip(_EDGE).lower() for word in words]
        places = [
            (first, first + size, others)
            for size in range(1, min(_LONGEST, len(words)) + 1)
            for first in range(len(words) - size + 1)
            if (others := self._others.get(" ".join(plain[first : first + size])))
        ]
        if not places and self._lookup is not None:
            asked = ((p, tuple(self._lookup(word))) for p, word in enumerate(plain) if word)
            places = [(p, p + 1, found) for p, found in asked if found]
        if not places:
            return text
        first, last, others = places[int(where * len(places))]
        # of a phrase in capitals the whole is in capitals, of "Post Office Box" the first letter
        chosen = matching_case(others[int(which * len(others))], " ".join(words[first:last]).strip(_EDGE))
        return " ".join([*words[:first], chosen, *words[last:]])

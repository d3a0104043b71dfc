"""Names of persons, streets and suburbs for `domains.tables.data.persons`: lists, and syllables put together."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from itertools import product

import numpy as np

from domains.tables.data.text_errors import Texts

__all__ = ["given_names", "streets", "suburbs", "surnames"]

_GIVEN = """
olivia william emily jack charlotte thomas amelia james sophie joshua grace lachlan isabella samuel chloe daniel mia
benjamin ella matthew ava nicholas ruby jacob lily ethan zoe liam hannah noah lucy alexander georgia harrison jessica
oliver sarah luke matilda isaac eliza riley alice connor abigail ryan imogen dylan madison harry isla max molly jayden
holly henry phoebe angus freya mitchell rose tyler sienna hamish maya logan eva adam jasmine cameron clara nathan anna
michael elizabeth patrick laura sebastian rachel charlie amy edward kate george natalie finn rebecca hugo caitlin toby
megan leo erin hugh victoria archie gabrielle jordan claire aidan zara christopher julia robert helen peter maria paul
margaret andrew susan david karen mark nicole john michelle stephen lisa anthony jennifer kevin tracey brian sandra
gary julie ian christine alan patricia kenneth barbara graham dorothy raymond joan douglas marion stuart irene neil
fiona malcolm heather gordon moira keith elaine trevor janet bruce gillian derek pamela colin sheila roger maureen
martin teresa vincent bridget dominic marie gabriel monica xavier carmen antonio lucia marco francesca giovanni elena
luca chiara stefano paola dimitri sofia nikolai irina pavel katarina tomas jana milos ivana goran vesna ahmed fatima
omar layla hassan amina yusuf zainab ibrahim noor ali salma wei mei jun ling hao xin ming yan hiroshi yuki kenji akiko
raj priya arjun ananya vikram deepa sanjay kavita tuan linh minh thuy duc hoa kwame abena kofi ama chidi ngozi emeka
adaeze lars ingrid sven astrid erik sigrid bjorn greta hans ursula klaus heike jurgen petra dieter gisela pierre
colette jacques simone henri odette louis elise carlos rosa miguel ines pablo pilar diego marta joaquim leonor
"""
_COMMON_SURNAMES = """
smith jones williams brown wilson taylor johnson white martin anderson thompson nguyen thomas walker harris lee ryan
robinson kelly king davis wright evans roberts green hall wood jackson clarke patel khan lewis james phillips mason
mitchell rose davies cox hughes wang li chen singh campbell young allen scott baker turner hill carter moore cooper
morris ward murphy edwards collins cook bell bailey parker miller murray stewart russell watson kennedy hunt price
"""
# syllables of surnames, streets and suburbs
_HEADS = """
ab ack al ash bar beck ben bir blan bo brad bran brin bur cal car chal clem col cor cran dal dar den dor drum dun ed el
fair fen fer fin gal gar glen gor gran hal har hay hol hur in kel ken kil kin lan lar len lin lo mal mar mel mor nor
"""
_MIDDLES = "a ber bin da den der dle e fen ger gin i ker kin lan le lin ma mer ne ni o ra rin sen ta ter ve vi wa"
_TAILS = """
by cott dale den don er field ford ham hurst ing land ley ling man more ner ridge sen son ster ton well wick wood
"""
_STREET_KINDS = """
street road avenue place crescent drive close court circuit lane parade terrace way grove square boulevard rise walk
"""
_SUBURB_TAILS = "bay beach creek east gardens grove heights hill hills north park point south vale valley west"


@cache
def given_names() -> Texts:
    """Some 270 given names, by rank."""
    return _ranked(_GIVEN.split())


@cache
def surnames() -> Texts:
    """Some 43,000 surnames, by rank: common ones first, then syllables in a scattered order."""
    return _ranked(
        [
            *_COMMON_SURNAMES.split(),
            *_scattered(map("".join, product(_HEADS.split(), _MIDDLES.split(), _TAILS.split()))),
        ]
    )


@cache
def streets() -> Texts:
    """Some 26,000 streets, by rank."""
    names = (
        f"{head}{tail} {kind}" for head, tail, kind in product(_HEADS.split(), _TAILS.split(), _STREET_KINDS.split())
    )
    return _ranked(_scattered(names))


@cache
def suburbs() -> tuple[Texts, Texts]:
    """Some 7,000 suburbs by rank, and the postcode of each; several suburbs share one."""
    stems = [
        f"{head}{middle}{tail}" for head, middle, tail in product(_HEADS.split(), _MIDDLES.split()[::6], _TAILS.split())
    ]
    tails = _SUBURB_TAILS.split()
    names = [stem if i % 5 else f"{stem} {tails[i // 5 % len(tails)]}" for i, stem in enumerate(stems)]
    names = list(dict.fromkeys(_scattered(names)))
    codes = [str(1000 + i * 37 % 3001) for i in range(len(names))]
    return np.array(names, dtype="S"), np.array(codes, dtype="S")


def _ranked(names: list[str]) -> Texts:
    return np.array(list(dict.fromkeys(names)), dtype="S")


def _scattered(names: Iterable[str]) -> list[str]:
    """A fixed order in which neighbours differ: steps of a prime that does not divide the number of names."""
    every = list(names)
    step = next(prime for prime in (7919, 7907, 7901) if len(every) % prime)
    return [every[i * step % len(every)] for i in range(len(every))]

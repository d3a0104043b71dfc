import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rapidfuzz.distance import Levenshtein

from domains.tables.augment import TypoAugmenter
from domains.tables.augment.edits import NUMBER_EDITS, TEXT_EDITS
from domains.tables.augment.keyboard import LOOK_ALIKE, NEARBY

TEXTS = ["Ada Lovelace", "coffee shop 24", "x", "ÄÖ ü", "Main  Street", "a1"]
NUMBERS = ["60601", "(773) 555-0100", "3.50", "7", "1999-12-31", "1122"]


def many(kind: str, text: str) -> set[str]:
    return set(TypoAugmenter(kinds=[kind]).values([text] * 300, np.random.default_rng(0)))


@pytest.mark.parametrize("kind", TEXT_EDITS)
@pytest.mark.parametrize("text", TEXTS + NUMBERS)
def test_the_distance_of_each_kind(kind: str, text: str):
    for changed in many(kind, text) - {text}:
        assert Levenshtein.distance(text, changed) == (2 if kind == "swap" else 1)


@pytest.mark.parametrize("kind", NUMBER_EDITS)
@pytest.mark.parametrize("number", NUMBERS)
def test_numbers_stay_numbers_of_the_same_form(kind: str, number: str):
    for changed in many(kind, number):
        assert re.sub(r"\d", "", changed) == re.sub(r"\d", "", number)


@pytest.mark.parametrize("text", ["room 12b", "a1", "2 b 3"])
def test_digits_within_texts_are_replaced_by_digits(text: str):
    for kind in ("nearby", "similar"):
        for changed in many(kind, text):
            assert all(new.isdigit() for old, new in zip(text, changed, strict=True) if old.isdigit())


def test_each_kind_does_what_its_name_says():
    assert many("swap", "ab") == {"ba"}
    assert many("missing", "ab") == {"a", "b"}
    assert many("repeated", "ab") == {"aab", "abb"}
    assert many("collapse", "moon") == {"mon"}
    assert many("skipped_space", "a b") == {"ab"}
    assert many("random_space", "abc") == {"a bc", "ab c"}
    assert many("similar", "O") == {"A", "0"}
    assert many("extra", "5") == {"54", "56"}
    assert many("nearby", "G") == set("TYFHVB")


def test_what_a_kind_cannot_do_leaves_the_value():
    assert many("collapse", "abc") == {"abc"}
    assert many("skipped_space", "abc") == {"abc"}
    assert many("swap", "aa") == {"aa"}
    assert many("missing", "7") == {"7"}
    assert many("random_space", "773") == {"773"}  # no spaces in numbers


def test_all_places_and_kinds_are_reached():
    assert many("missing", "abcdef") == {"bcdef", "acdef", "abdef", "abcef", "abcdf", "abcde"}
    changed = TypoAugmenter().values(["moon base"] * 3000, np.random.default_rng(0))
    lengths = np.bincount([len(text) for text in changed])
    assert lengths[8] > 300  # missing, collapse, skipped space
    assert lengths[9] > 300
    assert lengths[10] > 300


@given(st.lists(st.text(min_size=1, max_size=12).filter(str.strip), max_size=5), st.integers(0, 2**32))
def test_any_text_changes_and_none_becomes_blank(texts: list[str], seed: int):
    changed = TypoAugmenter().values(texts, np.random.default_rng(seed))
    for old, new in zip(texts, changed, strict=True):
        assert new != old
        assert new.strip()
        assert Levenshtein.distance(old, new) <= 2


def test_count_makes_more_errors():
    texts = ["abcdefghijklmnopqrst"] * 200
    one, three = (TypoAugmenter(count=c).values(texts, np.random.default_rng(0)) for c in (1, 3))
    assert np.mean([Levenshtein.distance(texts[0], t) for t in three]) > 2 * np.mean(
        [Levenshtein.distance(texts[0], t) for t in one]
    )


def test_the_maps():
    assert all(key in NEARBY[other] for key, others in NEARBY.items() for other in others)
    for near in (NEARBY, LOOK_ALIKE):
        assert all(key not in others for key, others in near.items())
        assert all(other.isdigit() for key, others in near.items() if key.isdigit() for other in others)
    assert set(NEARBY["s"]) == set("weadzx")
    assert all(key.isdigit() == other.isdigit() for key, others in NEARBY.items() for other in others)


def test_unknown_kinds_and_counts_are_refused():
    with pytest.raises(ValueError, match="swapp"):
        TypoAugmenter(kinds=["swapp"])
    with pytest.raises(ValueError, match="kinds"):
        TypoAugmenter(kinds=[])
    with pytest.raises(ValueError, match="count"):
        TypoAugmenter(count=0)


def test_only_kinds_for_texts_leave_numbers_alone():
    assert TypoAugmenter(kinds=["random_space"]).values(["123"], np.random.default_rng(0)) == ["123"]

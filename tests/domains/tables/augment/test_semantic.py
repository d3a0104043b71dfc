import numpy as np
import pytest

from core.errors import UserError
from domains.tables.augment import SemanticAugmenter


def test_a_translation_is_taken_in_one_call_and_numbers_are_not_sent():
    calls: list[list[str]] = []

    def translate(texts: list[str]) -> list[str]:
        calls.append(texts)
        return [text[::-1] for text in texts]

    augmenter = SemanticAugmenter(translate=translate)
    assert augmenter.values(["abc", "12", "de"], np.random.default_rng(0)) == ["cba", "12", "ed"]
    assert augmenter.values(["12"], np.random.default_rng(0)) == ["12"]
    assert calls == [["abc", "de"]]


def test_a_blank_translation_leaves_the_text():
    assert SemanticAugmenter(translate=lambda texts: [" "] * len(texts)).values(["a"], np.random.default_rng(0)) == [
        "a"
    ]


def test_a_translation_of_another_length_is_refused():
    with pytest.raises(UserError, match="one text for each of 2"):
        SemanticAugmenter(translate=lambda texts: texts[:1]).values(["a", "b"], np.random.default_rng(0))


def test_synonyms_abbreviations_and_turned_words_without_a_model():
    found = set(SemanticAugmenter().values(["zebra street"] * 400, np.random.default_rng(0)))
    assert {"zebra st", "z street", "zebra s", "street zebra"} <= found
    assert "zebra street" not in found


def test_words_keep_their_multiset_when_turned():
    found = set(SemanticAugmenter().values(["q x xy zk"] * 200, np.random.default_rng(0)))  # nothing else is possible
    assert found == {"x xy zk q", "xy zk q x", "zk q x xy"}


def test_numbers_stay():
    assert SemanticAugmenter().values(["773 555", "10"], np.random.default_rng(0)) == ["773 555", "10"]

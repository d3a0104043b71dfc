import numpy as np
import pytest

from domains.tables.augment import WordAugmenter


def many(kind: str, text: str) -> set[str]:
    return set(WordAugmenter(kinds=[kind]).values([text] * 300, np.random.default_rng(0)))


def test_remove_takes_one_word():
    assert many("remove", "a b c") == {"b c", "a c", "a b"}
    assert many("remove", "alone") == {"alone"}


def test_swap_exchanges_neighbours():
    assert many("swap", "a b c") == {"b a c", "a c b"}
    assert many("swap", "a a") == {"a a"}


def test_abbreviate_leaves_a_beginning():
    assert many("abbreviate", "in Corporation") == {f"in {'Corporation'[:n]}" for n in range(1, 11)}
    initials = WordAugmenter(kinds=["abbreviate"]).values(["Corporation"] * 4000, np.random.default_rng(0)).count("C")
    assert initials == pytest.approx(2000, abs=150)
    assert many("abbreviate", "a bc 123 d4e") == {"a bc 123 d4e"}


def test_numbers_stay():
    assert WordAugmenter().values(["773 555 0100", "12.5"], np.random.default_rng(0)) == ["773 555 0100", "12.5"]


def test_a_kind_that_does_not_fit_gives_way():
    assert set(WordAugmenter().values(["Ada"] * 100, np.random.default_rng(0))) == {"A", "Ad"}


def test_all_kinds_are_drawn():
    changed = WordAugmenter().values(["alpha beta"] * 900, np.random.default_rng(0))
    assert changed.count("beta alpha") == pytest.approx(300, abs=60)
    assert changed.count("alpha") + changed.count("beta") == pytest.approx(300, abs=60)


def test_unknown_kinds_are_refused():
    with pytest.raises(ValueError, match="kind"):
        WordAugmenter(kinds=["drop"])
    with pytest.raises(ValueError, match="kinds"):
        WordAugmenter(kinds=[])

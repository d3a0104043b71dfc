import math

import pytest

from domains.tables.language_models.base import LanguageModel
from domains.tables.language_models.ngrams import NGramScorer


def test_is_a_language_model():
    assert isinstance(NGramScorer(), LanguageModel)


def test_unigrams_by_hand():
    """Prompt "aab": 3 characters, 2 kinds; p(a) = (2 + 2/256) / 5, p(z) = (0 + 2/256) / 5."""
    found = NGramScorer(order=1).score("aab", ["a", "az"])
    a, z = (2 + 2 / 256) / 5, (2 / 256) / 5
    assert found == pytest.approx([math.log(a), (math.log(a) + math.log(z)) / 2])


def test_probabilities_sum_to_one():
    alphabet = "ab"
    model = NGramScorer(order=3, alphabet=3)  # a, b and the space
    total = sum(math.exp(model.score("abab ab", [one])[0]) for one in alphabet)
    space = 1 - total
    assert 0 < space < 0.5


def test_length_does_not_matter():
    one, two = NGramScorer(order=1).score("xyxy", ["xy", "xyxyxy"])
    assert one == pytest.approx(two)


def test_order_of_candidates():
    one = NGramScorer().score("one two three", ["two", "four"])
    two = NGramScorer().score("one two three", ["four", "two"])
    assert one == two[::-1]


def test_refused():
    with pytest.raises(ValueError, match="order"):
        NGramScorer(order=0)

import numpy as np
import pytest
from rapidfuzz.distance import Levenshtein

from domains.tables.augment import SemanticAugmenter
from domains.tables.methods.value_perturbation import ValuePerturbation


def test_at_most_one_change_is_the_papers():
    texts = ["alpha beta gamma delta epsilon"] * 500
    changed = ValuePerturbation(most=1, semantic=None).values(texts, np.random.default_rng(0))
    words = [len(text.split()) for text in changed]
    assert set(words) <= {4, 5, 6}  # a word or a space less or more
    assert all(text != texts[0] for text in changed)


def test_longer_texts_change_more():
    augmenter = ValuePerturbation(most=6, semantic=None)
    mean = {}
    for words in (1, 4, 12):
        text = " ".join(["kqxz"] * words)
        changed = augmenter.values([text] * 400, np.random.default_rng(0))
        mean[words] = np.mean([Levenshtein.distance(text, other) for other in changed])
    assert mean[1] < 4
    assert mean[12] > mean[4] > mean[1]


def test_without_semantic_changes_no_synonym_comes():
    texts = ["street"] * 300
    plain = ValuePerturbation(most=1, semantic=None).values(texts, np.random.default_rng(0))
    assert "st" in ValuePerturbation(most=1, semantic=SemanticAugmenter()).values(texts, np.random.default_rng(0))
    assert "str" in ValuePerturbation(most=1, semantic=SemanticAugmenter()).values(texts, np.random.default_rng(0))
    # beginnings come from abbreviation of words, which is not semantic
    assert all("street".startswith(t) or Levenshtein.distance("street", t) <= 2 for t in plain)


def test_no_texts_and_numbers():
    augmenter = ValuePerturbation(semantic=SemanticAugmenter())
    assert augmenter.values([], np.random.default_rng(0)) == []
    changed = augmenter.values(["60601"] * 100, np.random.default_rng(0))
    assert all(text.isdigit() for text in changed)
    assert len(set(changed)) > 5


def test_most_is_checked():
    with pytest.raises(ValueError, match="most"):
        ValuePerturbation(most=0, semantic=None)

import math
from collections import Counter

import numpy as np
import pytest
import torch

from domains.tables.models import HashedNgrams, hash_ngrams
from domains.tables.models.ngrams import QS

TEXTS = ["ada lovelace", "ada", "charles babbage", "--", "60601", "aa aa"]


def grams(text: str) -> Counter[str]:
    """Character n-grams within words, with a blank on either side."""
    found: Counter[str] = Counter()
    for word in text.split():
        padded = f" {word} "
        for q in range(QS[0], QS[1] + 1):
            found.update([padded] if len(padded) < q else [padded[i : i + q] for i in range(len(padded) - q + 1)])
            if len(padded) <= q:
                break
    return found


def network(width: int = 32, buckets: int = 1 << 12) -> HashedNgrams:
    return HashedNgrams(width, buckets, torch.Generator().manual_seed(0))


@pytest.mark.parametrize("text", TEXTS)
def test_counts_are_those_of_the_ngrams(text: str):
    # with very many buckets there are no collisions among a few n-grams
    row = hash_ngrams([text], 1 << 22)
    expected = sorted(1 + math.log(count) for count in grams(text).values())
    assert np.allclose(np.sort(row.data), expected, atol=1e-6)


def test_case_and_unicode_form_do_not_matter():
    a, b, c = hash_ngrams(["Caf\u00e9 Ada", "CAFE\u0301 ADA", "cafe ada"], 4096).toarray()
    assert (a == b).all()
    assert (a != c).any()


def test_vectors_are_the_weighted_sum_of_their_buckets():
    net = network()
    net.learn_rarity(TEXTS)
    counts = hash_ngrams(TEXTS, net.buckets).toarray()
    having = (counts > 0).sum(axis=0)
    rarity = 1 + np.log((1 + len(TEXTS)) / (1 + having))
    summed = (counts * rarity) @ net.bag.weight.detach().numpy().astype(np.float64)
    expected = summed / np.linalg.norm(summed, axis=1, keepdims=True)
    assert np.allclose(net.encode(TEXTS), expected, atol=1e-5)


def test_blocks_do_not_matter_and_vectors_have_length_one():
    net = network()
    whole, parts = net.encode(TEXTS), net.encode(TEXTS, block=2)
    assert np.array_equal(whole, parts)
    assert np.allclose(np.linalg.norm(whole, axis=1), 1, atol=1e-6)
    assert net.encode([]).shape == (0, 32)


def test_untrained_cosines_are_close_to_those_of_the_rows():
    net = network(width=1024, buckets=1 << 12)
    net.learn_rarity(TEXTS)
    rows = hash_ngrams(TEXTS, net.buckets).toarray() * net.rarity.numpy()
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    vectors = net.encode(TEXTS)
    assert np.abs(vectors @ vectors.T - rows @ rows.T).max() < 5 / math.sqrt(1024)


def test_a_seed_gives_the_same_table_and_numbers_below_one_are_refused():
    assert torch.equal(network().bag.weight, network().bag.weight)
    for width, buckets in ((0, 5), (5, 0)):
        with pytest.raises(ValueError, match="at least 1"):
            HashedNgrams(width, buckets, torch.Generator())

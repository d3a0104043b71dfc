"""Values as hashed character n-grams with a learned vector for each hash bucket."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from scipy.sparse import csr_array
from sklearn.feature_extraction.text import HashingVectorizer
from torch import Tensor, nn
from torch.nn import functional

from core.checks import check_at_least

__all__ = ["HashedNgrams", "hash_ngrams"]

QS = (2, 4)
"""Shortest and longest n-gram, in characters, within words and with the blanks around them."""


def hash_ngrams(texts: Sequence[str], buckets: int) -> csr_array:
    """``(k, buckets)`` float32: 1 + log of how often n-grams of each bucket stand in a text; 0 where none does.

    Case and Unicode form do not matter (NFKC, lower case). Nothing is learned, so any text has a row.

    Args:
        texts: not blank.
        buckets: number of columns, >= 1.

    >>> a, b = hash_ngrams(["Caf\u00e9", "CAFE\u0301"], 1024).toarray()
    >>> bool((a == b).all())
    True
    """
    vectorizer = HashingVectorizer(
        analyzer="char_wb", ngram_range=QS, n_features=buckets, alternate_sign=False, norm=None, preprocessor=_plain
    )
    counts = csr_array(vectorizer.transform(texts), dtype=np.float32)
    counts.data = 1 + np.log(counts.data)
    return counts


def _plain(text: str) -> str:
    return unicodedata.normalize("NFKC", text).lower()


class HashedNgrams(nn.Module):
    """Sum of the vectors of a text's n-grams, each weighed by its rarity, normalised to length 1.

    Untrained, the vectors are random, and cosines are those of TF-IDF rows up to an error of about 1 / sqrt(width)
    (a random projection).

    Args:
        width: d of the vectors.
        buckets: rows of the table.
        generator: of the random vectors.

    Raises:
        ValueError: a number below 1.
    """

    rarity: Tensor

    def __init__(self, width: int, buckets: int, generator: torch.Generator) -> None:
        super().__init__()
        check_at_least("width", width, 1)
        check_at_least("buckets", buckets, 1)
        self.width, self.buckets = width, buckets
        table = torch.randn(buckets, width, generator=generator) / math.sqrt(width)
        self.bag = nn.EmbeddingBag(buckets, width, mode="sum", include_last_offset=True, _weight=table)
        self.register_buffer("rarity", torch.ones(buckets))

    def learn_rarity(self, texts: Sequence[str]) -> None:
        """Set each bucket's weight to 1 + log((1 + k) / (1 + texts that have it)).

        Args:
            texts: k distinct values.
        """
        having = np.bincount(hash_ngrams(texts, self.buckets).indices, minlength=self.buckets)
        rarity = 1 + np.log((1 + len(texts)) / (1 + having))
        self.rarity.copy_(torch.from_numpy(rarity.astype(np.float32)))

    def forward(self, counts: csr_array) -> Float[Tensor, "k d"]:
        """Unit vectors of texts.

        Args:
            counts: ``(k, buckets)`` as `hash_ngrams` makes it.
        """
        device = self.rarity.device
        indices = torch.from_numpy(counts.indices.astype(np.int64)).to(device)
        offsets = torch.from_numpy(counts.indptr.astype(np.int64)).to(device)
        weights = torch.from_numpy(counts.data).to(device) * self.rarity[indices]
        return functional.normalize(self.bag(indices, offsets, per_sample_weights=weights), dim=1)

    @torch.no_grad()
    def encode(self, texts: Sequence[str], block: int = 4096) -> NDArray[np.float32]:
        """``(k, d)`` unit vectors, in blocks and without gradient.

        Args:
            texts: not blank.
            block: texts at a time.
        """
        found = np.empty((len(texts), self.width), dtype=np.float32)
        for start in range(0, len(texts), block):
            part = texts[start : start + block]
            found[start : start + len(part)] = self(hash_ngrams(part, self.buckets)).cpu().numpy()
        return found

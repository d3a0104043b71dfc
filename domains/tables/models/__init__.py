"""Encoders of values and tuples, and the matcher of two tuples."""

from domains.tables.models.matcher import AttentionMatcher
from domains.tables.models.ngrams import HashedNgrams, hash_ngrams
from domains.tables.models.sentence import SentenceEncoder
from domains.tables.models.tuple_encoder import EncodedTable, TupleEncoder, ValueEncoder

__all__ = [
    "AttentionMatcher",
    "EncodedTable",
    "HashedNgrams",
    "SentenceEncoder",
    "TupleEncoder",
    "ValueEncoder",
    "hash_ngrams",
]

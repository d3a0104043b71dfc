"""Changes that leave a record the same thing: the data generator of self-supervised matching."""

from domains.tables.augment.attributes import AttributeDropout, AttributeShuffle
from domains.tables.augment.base import Augmenter, Record, ValueAugmenter
from domains.tables.augment.compose import Compose
from domains.tables.augment.semantic import SemanticAugmenter
from domains.tables.augment.synonyms import SynonymAugmenter, read_synonyms
from domains.tables.augment.typo import TypoAugmenter
from domains.tables.augment.words import WordAugmenter

__all__ = [
    "AttributeDropout",
    "AttributeShuffle",
    "Augmenter",
    "Compose",
    "Record",
    "SemanticAugmenter",
    "SynonymAugmenter",
    "TypoAugmenter",
    "ValueAugmenter",
    "WordAugmenter",
    "read_synonyms",
]

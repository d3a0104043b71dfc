"""Where positives and negatives come from."""

from core.samplers.class_pairs import ClassPairSampler
from core.samplers.feature_queue import FeatureQueue
from core.samplers.hallucinator import Hallucinator, HallucinatorStatistics, hallucinator_statistics
from core.samplers.hard_negative_mixing import HardNegativeMixing
from core.samplers.hard_pair_mixup import HardPairMixup, MixedBatch, PairKind
from core.samplers.negative_labels import sample_negative_labels
from core.samplers.ordinal_mixup import MixedPairs, OrdinalMixup
from core.samplers.queue import MemoryQueue

__all__ = [
    "ClassPairSampler",
    "FeatureQueue",
    "Hallucinator",
    "HallucinatorStatistics",
    "HardNegativeMixing",
    "HardPairMixup",
    "MemoryQueue",
    "MixedBatch",
    "MixedPairs",
    "OrdinalMixup",
    "PairKind",
    "hallucinator_statistics",
    "sample_negative_labels",
]

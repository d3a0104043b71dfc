"""Where positives and negatives come from."""

from core.samplers.class_balanced import ClassBalancedBatchSampler
from core.samplers.class_pairs import ClassPairSampler
from core.samplers.embedding_distance import EmbeddingDistance, embedding_distance
from core.samplers.epoch_batches import EpochBatchSampler
from core.samplers.feature_aware import FeatureAwareBatchSampler
from core.samplers.feature_queue import FeatureQueue
from core.samplers.hallucinator import Hallucinator, HallucinatorStatistics, hallucinator_statistics
from core.samplers.hamming import HammingDistance, hamming_distance
from core.samplers.hard_negative_mixing import HardNegativeMixing
from core.samplers.hard_pair_mixup import HardPairMixup, MixedBatch, PairKind
from core.samplers.image_hash import HashDistance, image_hash
from core.samplers.information import SharedInformation, entropy, mutual_information
from core.samplers.joint_labels import cluster_features, joint_labels
from core.samplers.near_copies import Measure, PreparedItems
from core.samplers.negative_labels import sample_negative_labels
from core.samplers.ordinal_mixup import MixedPairs, OrdinalMixup
from core.samplers.pk import PKBatchSampler
from core.samplers.queue import MemoryQueue
from core.samplers.redundancy import EveryNFilter, RedundancyFilter
from core.samplers.ssim import StructuralSimilarity, ssim

__all__ = [
    "ClassBalancedBatchSampler",
    "ClassPairSampler",
    "EmbeddingDistance",
    "EpochBatchSampler",
    "EveryNFilter",
    "FeatureAwareBatchSampler",
    "FeatureQueue",
    "Hallucinator",
    "HallucinatorStatistics",
    "HammingDistance",
    "HardNegativeMixing",
    "HardPairMixup",
    "HashDistance",
    "Measure",
    "MemoryQueue",
    "MixedBatch",
    "MixedPairs",
    "OrdinalMixup",
    "PKBatchSampler",
    "PairKind",
    "PreparedItems",
    "RedundancyFilter",
    "SharedInformation",
    "StructuralSimilarity",
    "cluster_features",
    "embedding_distance",
    "entropy",
    "hallucinator_statistics",
    "hamming_distance",
    "image_hash",
    "joint_labels",
    "mutual_information",
    "sample_negative_labels",
    "ssim",
]

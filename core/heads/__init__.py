"""What stands between encoder and loss."""

from core.heads.activation import SymmetricReLU, make_activation
from core.heads.feature_gate import FeatureGate, gate_entropy
from core.heads.gaussian import GaussianCode, GaussianHead, gaussian_log_prob
from core.heads.pixel_propagation import PixelPropagation
from core.heads.projection import PredictionHead, ProjectionHead
from core.heads.prototypes import Prototypes
from core.heads.region_projection import RegionProjection
from core.heads.reweighting import ReweightingHead

__all__ = [
    "FeatureGate",
    "GaussianCode",
    "GaussianHead",
    "PixelPropagation",
    "PredictionHead",
    "ProjectionHead",
    "Prototypes",
    "RegionProjection",
    "ReweightingHead",
    "SymmetricReLU",
    "gate_entropy",
    "gaussian_log_prob",
    "make_activation",
]

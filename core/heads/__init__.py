"""What stands between encoder and loss."""

from core.heads.activation import SymmetricReLU, make_activation
from core.heads.projection import PredictionHead, ProjectionHead

__all__ = ["PredictionHead", "ProjectionHead", "SymmetricReLU", "make_activation"]

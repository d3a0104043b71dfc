"""Objectives, one file each: a pure function with the maths and an ``nn.Module`` with the settings."""

from core.losses.clip import CLIPLoss, clip
from core.losses.decoupled import DCLLoss, DCLWLoss, dcl, negative_positive_coupling, positive_weights
from core.losses.discriminator import BinaryDiscriminationLoss, binary_discrimination
from core.losses.info_nce import InfoNCELoss, NTXentLoss, info_nce, nt_xent
from core.losses.negative_cosine import NegativeCosineLoss, negative_cosine
from core.losses.reduction import Reduction
from core.losses.scaled_cosine import ScaledCosineErrorLoss, scaled_cosine_error
from core.losses.sup_con import SupConLoss, sup_con
from core.losses.triplet import TripletLoss, triplet

__all__ = [
    "BinaryDiscriminationLoss",
    "CLIPLoss",
    "DCLLoss",
    "DCLWLoss",
    "InfoNCELoss",
    "NTXentLoss",
    "NegativeCosineLoss",
    "Reduction",
    "ScaledCosineErrorLoss",
    "SupConLoss",
    "TripletLoss",
    "binary_discrimination",
    "clip",
    "dcl",
    "info_nce",
    "negative_cosine",
    "negative_positive_coupling",
    "nt_xent",
    "positive_weights",
    "scaled_cosine_error",
    "sup_con",
    "triplet",
]

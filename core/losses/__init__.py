"""Objectives, one file each: a pure function with the maths and an ``nn.Module`` with the settings."""

from core.losses.cacr import CACRLoss, CACRTerms, cacr, cacr_terms
from core.losses.clip import CLIPLoss, clip
from core.losses.decoupled import DCLLoss, DCLWLoss, dcl, negative_positive_coupling, positive_weights
from core.losses.dhel import DHELLoss, dhel
from core.losses.discriminator import BinaryDiscriminationLoss, binary_discrimination
from core.losses.group_ordering import GroCoLoss, groco, group_ordering
from core.losses.info_nce import InfoNCELoss, NTXentLoss, info_nce, nt_xent
from core.losses.momentum_cacr import CropCACRLoss, MomentumCACRLoss, crop_cacr, momentum_cacr
from core.losses.multiview import MVDHELLoss, MVInfoNCELoss, PVCLoss, mv_dhel, mv_info_nce, pvc
from core.losses.negative_cosine import NegativeCosineLoss, negative_cosine
from core.losses.pairwise_views import PairwiseAggregation
from core.losses.r_drop import RDropForm, RDropLoss, RDropTask, r_drop, symmetric_kl
from core.losses.reduction import Reduction
from core.losses.scaled_cosine import ScaledCosineErrorLoss, scaled_cosine_error
from core.losses.sorting_networks import relaxed_sort
from core.losses.sup_con import SupConLoss, sup_con
from core.losses.triplet import TripletLoss, triplet

__all__ = [
    "BinaryDiscriminationLoss",
    "CACRLoss",
    "CACRTerms",
    "CLIPLoss",
    "CropCACRLoss",
    "DCLLoss",
    "DCLWLoss",
    "DHELLoss",
    "GroCoLoss",
    "InfoNCELoss",
    "MVDHELLoss",
    "MVInfoNCELoss",
    "MomentumCACRLoss",
    "NTXentLoss",
    "NegativeCosineLoss",
    "PVCLoss",
    "PairwiseAggregation",
    "RDropForm",
    "RDropLoss",
    "RDropTask",
    "Reduction",
    "ScaledCosineErrorLoss",
    "SupConLoss",
    "TripletLoss",
    "binary_discrimination",
    "cacr",
    "cacr_terms",
    "clip",
    "crop_cacr",
    "dcl",
    "dhel",
    "groco",
    "group_ordering",
    "info_nce",
    "momentum_cacr",
    "mv_dhel",
    "mv_info_nce",
    "negative_cosine",
    "negative_positive_coupling",
    "nt_xent",
    "positive_weights",
    "pvc",
    "r_drop",
    "relaxed_sort",
    "scaled_cosine_error",
    "sup_con",
    "symmetric_kl",
    "triplet",
]

"""Objectives, one file each: a pure function with the maths and an ``nn.Module`` with the settings."""

from core.losses.barlow_twins import BarlowTwinsLoss, barlow_twins
from core.losses.bimodal_global_contrastive import BimodalSogCLRLoss, bimodal_sogclr
from core.losses.bimodal_robust_global_contrastive import BimodalISogCLRLoss, bimodal_isogclr
from core.losses.cacr import CACRLoss, CACRTerms, cacr, cacr_terms
from core.losses.class_pair import ClassPairContrastiveLoss, class_pair_contrastive
from core.losses.clip import CLIPLoss, clip
from core.losses.core_tuning import CoreTuningLoss, core_tuning
from core.losses.debiased import DebiasedInfoNCELoss, debiased_info_nce
from core.losses.decoupled import DCLLoss, DCLWLoss, dcl, negative_positive_coupling, positive_weights
from core.losses.dense import PixContrastLoss, PixProLoss, pix_contrast, pix_pro
from core.losses.dhel import DHELLoss, dhel
from core.losses.discriminator import BinaryDiscriminationLoss, binary_discrimination
from core.losses.domain_contrast import DomainContrastLoss, domain_contrast
from core.losses.epoch_schedule import CosineSchedule, Schedule
from core.losses.focal_contrastive import FocalContrastiveLoss, focal_contrastive
from core.losses.global_contrastive import SogCLRLoss, sogclr
from core.losses.global_terms import GlobalStep
from core.losses.group_ordering import GroCoLoss, groco, group_ordering
from core.losses.hallucinated_pairs import HallucinatedPairLoss
from core.losses.hardness import HardnessInfoNCELoss, hardness_info_nce
from core.losses.info_nce import InfoNCELoss, NTXentLoss, info_nce, nt_xent
from core.losses.label_contrast import LabelContrastLoss, label_contrast
from core.losses.label_matching import LabelMatchingLoss, label_matching
from core.losses.latent_contrast import LatentContrastLoss, latent_contrast
from core.losses.local_region import LocalRegionLoss, local_region
from core.losses.momentum_cacr import CropCACRLoss, MomentumCACRLoss, crop_cacr, momentum_cacr
from core.losses.multiview import MVDHELLoss, MVInfoNCELoss, PVCLoss, mv_dhel, mv_info_nce, pvc
from core.losses.mutual_information_machine import AMIMLoss, CMIMLoss, amim, cmim
from core.losses.negative_cosine import NegativeCosineLoss, negative_cosine
from core.losses.noise_contrastive import BinaryNCELoss, binary_nce
from core.losses.pairwise_views import PairwiseAggregation
from core.losses.partition_state import PartitionState
from core.losses.pixel_grid import pixel_grid_centers, positive_pixel_mask
from core.losses.r_drop import RDropForm, RDropLoss, RDropTask, r_drop, symmetric_kl
from core.losses.ranking_nce import RankingNCELoss, ranking_nce
from core.losses.reduction import Reduction
from core.losses.regression import RankNContrastLoss, SupCRLoss, rank_n_contrast
from core.losses.robust_global_contrastive import ISogCLRLoss, isogclr
from core.losses.robust_terms import RobustGlobalStep
from core.losses.scaled_cosine import ScaledCosineErrorLoss, scaled_cosine_error
from core.losses.sim_cse import SimCSELoss, sim_cse
from core.losses.sinkhorn import sinkhorn_knopp
from core.losses.sorting_networks import relaxed_sort
from core.losses.spectral import SpectralContrastiveLoss, spectral_contrastive
from core.losses.sup_con import SupConLoss, sup_con
from core.losses.supremix import SupReMixLoss, supremix
from core.losses.swapped_assignment import SwAVLoss, swapped_assignment
from core.losses.symmetric_mim import MIMLoss, PriorHalf, mim
from core.losses.temperature_state import TemperatureState, individual_temperature_step
from core.losses.triplet import TripletLoss, triplet
from core.losses.vicreg import VICRegLoss, vicreg

__all__ = [
    "AMIMLoss",
    "BarlowTwinsLoss",
    "BimodalISogCLRLoss",
    "BimodalSogCLRLoss",
    "BinaryDiscriminationLoss",
    "BinaryNCELoss",
    "CACRLoss",
    "CACRTerms",
    "CLIPLoss",
    "CMIMLoss",
    "ClassPairContrastiveLoss",
    "CoreTuningLoss",
    "CosineSchedule",
    "CropCACRLoss",
    "DCLLoss",
    "DCLWLoss",
    "DHELLoss",
    "DebiasedInfoNCELoss",
    "DomainContrastLoss",
    "FocalContrastiveLoss",
    "GlobalStep",
    "GroCoLoss",
    "HallucinatedPairLoss",
    "HardnessInfoNCELoss",
    "ISogCLRLoss",
    "InfoNCELoss",
    "LabelContrastLoss",
    "LabelMatchingLoss",
    "LatentContrastLoss",
    "LocalRegionLoss",
    "MIMLoss",
    "MVDHELLoss",
    "MVInfoNCELoss",
    "MomentumCACRLoss",
    "NTXentLoss",
    "NegativeCosineLoss",
    "PVCLoss",
    "PairwiseAggregation",
    "PartitionState",
    "PixContrastLoss",
    "PixProLoss",
    "PriorHalf",
    "RDropForm",
    "RDropLoss",
    "RDropTask",
    "RankNContrastLoss",
    "RankingNCELoss",
    "Reduction",
    "RobustGlobalStep",
    "ScaledCosineErrorLoss",
    "Schedule",
    "SimCSELoss",
    "SogCLRLoss",
    "SpectralContrastiveLoss",
    "SupCRLoss",
    "SupConLoss",
    "SupReMixLoss",
    "SwAVLoss",
    "TemperatureState",
    "TripletLoss",
    "VICRegLoss",
    "amim",
    "barlow_twins",
    "bimodal_isogclr",
    "bimodal_sogclr",
    "binary_discrimination",
    "binary_nce",
    "cacr",
    "cacr_terms",
    "class_pair_contrastive",
    "clip",
    "cmim",
    "core_tuning",
    "crop_cacr",
    "dcl",
    "debiased_info_nce",
    "dhel",
    "domain_contrast",
    "focal_contrastive",
    "groco",
    "group_ordering",
    "hardness_info_nce",
    "individual_temperature_step",
    "info_nce",
    "isogclr",
    "label_contrast",
    "label_matching",
    "latent_contrast",
    "local_region",
    "mim",
    "momentum_cacr",
    "mv_dhel",
    "mv_info_nce",
    "negative_cosine",
    "negative_positive_coupling",
    "nt_xent",
    "pix_contrast",
    "pix_pro",
    "pixel_grid_centers",
    "positive_pixel_mask",
    "positive_weights",
    "pvc",
    "r_drop",
    "rank_n_contrast",
    "ranking_nce",
    "relaxed_sort",
    "scaled_cosine_error",
    "sim_cse",
    "sinkhorn_knopp",
    "sogclr",
    "spectral_contrastive",
    "sup_con",
    "supremix",
    "swapped_assignment",
    "symmetric_kl",
    "triplet",
    "vicreg",
]

"""Vision: representations of images without labels, with labels, and for regression, on one protocol.

Light to import: methods load torch only when one is used.
"""

from __future__ import annotations

from typing import Any

from core.registry import Registry, resolve

__all__ = ["METHODS", "embed", "load_model", "train"]

METHODS = Registry("vision method")
_M = "domains.vision.methods"
METHODS.register(
    "simclr", f"{_M}.simclr:SimCLR", f"{_M}.simclr:SimCLRSettings",
    paper="Chen et al. 2020, arXiv 2002.05709", summary="tell two views of an image from all others; takes any --loss",
)  # fmt: skip
METHODS.register(
    "moco", f"{_M}.moco:MoCo", f"{_M}.moco:MoCoSettings",
    paper="He et al. 2020, arXiv 1911.05722", summary="tell a view's slow key from a queue of earlier keys",
)  # fmt: skip
METHODS.register(
    "byol", f"{_M}.byol:BYOL", f"{_M}.byol:BYOLSettings",
    paper="Grill et al. 2020, arXiv 2006.07733", summary="predict what a slow copy says of another view",
)  # fmt: skip
METHODS.register(
    "simsiam", f"{_M}.simsiam:SimSiam", f"{_M}.simsiam:SimSiamSettings",
    paper="Chen and He 2021, arXiv 2011.10566", summary="predict the other view, which is held still",
)  # fmt: skip
METHODS.register(
    "barlow_twins", f"{_M}.barlow_twins:BarlowTwins", f"{_M}.barlow_twins:BarlowTwinsSettings",
    paper="Zbontar et al. 2021, arXiv 2103.03230", summary="features that correlate over views and not with each other",
)  # fmt: skip
METHODS.register(
    "vicreg", f"{_M}.vicreg:VICReg", f"{_M}.vicreg:VICRegSettings",
    paper="Bardes et al. 2022, arXiv 2105.04906", summary="views alike, features alive and uncorrelated",
)  # fmt: skip
METHODS.register(
    "swav", f"{_M}.swav:SwAV", f"{_M}.swav:SwAVSettings",
    paper="Caron et al. 2020, arXiv 2006.09882", summary="predict the prototypes of another crop",
)  # fmt: skip
METHODS.register(
    "mcl", f"{_M}.mcl:MCL", f"{_M}.mcl:MCLSettings",
    paper="Zhang et al. 2024, arXiv 2402.11816", summary="stages, each among images that all before found alike",
)  # fmt: skip

METHODS.register(
    "cross_entropy", f"{_M}.cross_entropy:CrossEntropy", f"{_M}.cross_entropy:CrossEntropySettings",
    paper="baseline", summary="a classifier on the backbone; with --pretrained plain fine-tuning",
)  # fmt: skip
METHODS.register(
    "core_tuning", f"{_M}.core_tuning:CoreTuning", f"{_M}.core_tuning:CoreTuningSettings",
    paper="Zhang et al. 2021, arXiv 2102.06605", summary="fine-tuning with contrast between hard mixtures",
)  # fmt: skip
METHODS.register(
    "sup_con", f"{_M}.sup_con:SupCon", f"{_M}.sup_con:SupConSettings",
    paper="Khosla et al. 2020, arXiv 2004.11362", summary="images of a class attract each other",
)  # fmt: skip
METHODS.register(
    "hydra", f"{_M}.hydra:Hydra", f"{_M}.hydra:HydraSettings",
    paper="Wu et al. 2024, arXiv 2410.18200", summary="any two classes attract each other where a gate lets them",
)  # fmt: skip
METHODS.register(
    "simlap", f"{_M}.hydra:SimLAP", f"{_M}.hydra:HydraSettings",
    paper="Wu et al. 2024, arXiv 2410.18200", summary="the later name of hydra",
)  # fmt: skip
METHODS.register(
    "l1", f"{_M}.regression:L1", f"{_M}.regression:L1Settings",
    paper="baseline", summary="regression end to end with the absolute error",
)  # fmt: skip
METHODS.register(
    "rank_n_contrast", f"{_M}.rank_n_contrast:RankNContrast", f"{_M}.rank_n_contrast:RankNContrastSettings",
    paper="Zha et al. 2023, arXiv 2210.01189", summary="distances in the order of a target's distances (SupCR)",
)  # fmt: skip
METHODS.register(
    "supremix", f"{_M}.supremix:SupReMix", f"{_M}.supremix:SupReMixSettings",
    paper="Wu et al. 2023, arXiv 2309.16633", summary="contrast for regression with mixed hard pairs",
)  # fmt: skip

_LAZY = {name: f"domains.vision.jobs:{name}" for name in ("embed", "load_model", "train")}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return resolve(_LAZY[name])
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

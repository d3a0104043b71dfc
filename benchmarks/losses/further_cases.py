"""The objectives that change negatives, remember samples, see labels or maps, or need no negatives."""

from collections.abc import Callable
from itertools import chain

import torch
from torch import Tensor
from torch.nn.functional import normalize

from benchmarks.losses import plain_pairs, plain_supervision
from benchmarks.losses.batch import CLASSES, Batch
from benchmarks.losses.case import PER_PAIR, Case, Form, two
from core.losses import (
    BarlowTwinsLoss,
    BimodalISogCLRLoss,
    BimodalSogCLRLoss,
    ClassPairContrastiveLoss,
    DebiasedInfoNCELoss,
    DomainContrastLoss,
    FocalContrastiveLoss,
    HardnessInfoNCELoss,
    ISogCLRLoss,
    LabelContrastLoss,
    LatentContrastLoss,
    LocalRegionLoss,
    PixContrastLoss,
    PixProLoss,
    RankingNCELoss,
    RankNContrastLoss,
    SimCSELoss,
    SogCLRLoss,
    SpectralContrastiveLoss,
    SupConLoss,
    SupReMixLoss,
    VICRegLoss,
    swapped_assignment,
)
from core.samplers import OrdinalMixup

__all__ = ["further_cases"]

NEGATIVES, MEMORY, SUPERVISED, MAPS, WITHOUT = (
    "Other negatives",
    "Global losses",
    "Labels, targets, groups",
    "Maps and assignments",
    "Without negatives",
)
SQUARE = ("n x n", 1)


def further_cases() -> list[Case]:
    """Every objective that is not plain contrast of pairs and views, in the order of the table."""
    return [*chain(_negatives(), _memory(), _supervised(), _maps(), _without())]


def _form(call: Callable[[Tensor, Batch, float], Tensor]) -> Form:
    def form(z: Tensor, batch: Batch, t: float) -> Tensor:
        value: Tensor = call(z, batch, t)
        return value

    return form


def _negatives() -> list[Case]:
    tau = plain_pairs.TAU_PLUS
    return [
        Case(
            "DebiasedInfoNCELoss",
            "debiased InfoNCE",
            two(lambda t: DebiasedInfoNCELoss(temperature=t, tau_plus=tau)),
            plain_pairs.debiased,
            NEGATIVES,
        ),
        Case(
            "HardnessInfoNCELoss",
            "hardness-weighted InfoNCE",
            two(lambda t: HardnessInfoNCELoss(temperature=t, tau_plus=tau, beta=1.0)),
            plain_pairs.hardness,
            NEGATIVES,
        ),
        Case(
            "SimCSELoss, hard negatives",
            "SimCSE",
            two(lambda t: SimCSELoss(temperature=t)),
            plain_pairs.sim_cse,
            NEGATIVES,
            views=3,
            floor=("n x n", 2),
        ),
        Case(
            "LatentContrastLoss",
            "cMIM's contrast",
            _form(lambda z, batch, t: LatentContrastLoss(temperature=t)(z[0])),
            plain_pairs.latent_contrast,
            NEGATIVES,
            views=1,
            floor=SQUARE,
        ),
    ]


def _memory() -> list[Case]:
    """A new state for each call, so that every sample is at its first visit, where the plain form is known."""
    rho = plain_pairs.RHO

    def bounds(t: float) -> dict[str, float]:
        return {"temperature": t, "tau_min": t / 2, "tau_max": 2 * t, "rho": rho}

    def samples(batch: Batch) -> int:
        return 2 * len(batch.index)

    bars = {PER_PAIR: "<= 1.5"}
    return [
        Case(
            "SogCLRLoss",
            "SogCLR",
            _form(lambda z, batch, t: SogCLRLoss(samples(batch), temperature=t)(z[0], z[1], batch.index)),
            plain_pairs.sogclr,
            MEMORY,
            bars=bars,
        ),
        Case(
            "ISogCLRLoss",
            "iSogCLR",
            _form(lambda z, batch, t: ISogCLRLoss(samples(batch), **bounds(t))(z[0], z[1], batch.index)),
            plain_pairs.isogclr,
            MEMORY,
        ),
        Case(
            "BimodalSogCLRLoss",
            "SogCLR, two modalities",
            _form(lambda z, batch, t: BimodalSogCLRLoss(samples(batch), temperature=t)(z[0], z[1], batch.index)),
            plain_pairs.bimodal_sogclr,
            MEMORY,
            floor=SQUARE,
        ),
        Case(
            "BimodalISogCLRLoss",
            "iSogCLR, two modalities",
            _form(lambda z, batch, t: BimodalISogCLRLoss(samples(batch), **bounds(t))(z[0], z[1], batch.index)),
            plain_pairs.bimodal_isogclr,
            MEMORY,
            floor=SQUARE,
        ),
    ]


def _supervised() -> list[Case]:
    return [
        Case(
            "SupConLoss",
            "SupCon",
            _form(lambda z, batch, t: SupConLoss(temperature=t)(z, batch.labels)),
            plain_supervision.sup_con,
            SUPERVISED,
            bars={PER_PAIR: "<= 1.2"},
        ),
        Case(
            "FocalContrastiveLoss",
            "focal contrast",
            _form(lambda z, batch, t: FocalContrastiveLoss(temperature=t)(z, batch.labels)),
            plain_supervision.focal,
            SUPERVISED,
        ),
        Case(
            "SupReMixLoss, no mixtures",
            "SupReMix",
            _form(lambda z, batch, t: SupReMixLoss(temperature=t, mixer=None)(z, batch.targets)),
            plain_supervision.supremix,
            SUPERVISED,
        ),
        Case("SupReMixLoss, 64 window pairs", "SupReMix with mixtures", _supremix, None, SUPERVISED, largest=512),
        Case(
            "RankNContrastLoss",
            "Rank-N-Contrast",
            _form(lambda z, batch, t: RankNContrastLoss(temperature=t)(z, batch.targets)),
            plain_supervision.rank_n_contrast,
            SUPERVISED,
            plain_largest=256,
            largest=2048,
        ),
        Case(
            "ClassPairContrastiveLoss",
            "class pairs",
            _form(
                lambda z, batch, t: ClassPairContrastiveLoss(temperature=t)(
                    z[0], batch.labels, batch.labels.roll(1), batch.gate.to(z.dtype)
                )
            ),
            plain_supervision.class_pair,
            SUPERVISED,
            views=1,
            floor=("n x n", 2),
            plain_largest=256,
        ),
        Case(
            "LabelContrastLoss",
            "label contrast",
            _form(lambda z, batch, t: LabelContrastLoss(temperature=t)(z[0], z[1, :CLASSES], batch.labels)),
            plain_supervision.label_contrast,
            SUPERVISED,
            floor=("", 0),
        ),
        Case(
            "RankingNCELoss",
            "ranking NCE",
            _form(lambda z, batch, t: RankingNCELoss(temperature=t)(z[0, :, 0], z[0, :, 1:])),
            plain_supervision.ranking_nce,
            SUPERVISED,
            views=1,
            floor=("", 0),
        ),
        Case(
            "DomainContrastLoss, other partitions",
            "domain contrast",
            _form(
                lambda z, batch, t: DomainContrastLoss(temperature=t, strategy="domain_negatives")(
                    z, batch.labels, batch.index
                )
            ),
            plain_supervision.domain,
            SUPERVISED,
        ),
    ]


def _supremix(z: Tensor, batch: Batch, t: float) -> Tensor:
    mixer = OrdinalMixup(0.5, generator=torch.Generator().manual_seed(0))
    value: Tensor = SupReMixLoss(temperature=t, mixer=mixer)(z, batch.targets)
    return value


def _maps() -> list[Case]:
    def pixels(z: Tensor, batch: Batch, t: float) -> Tensor:
        query, key = plain_pairs.pixel_maps(z)
        mask = torch.eye(query.shape[2] * query.shape[3], dtype=torch.bool).expand(len(query), -1, -1)
        value: Tensor = PixContrastLoss(temperature=t)(query, key, mask)
        return value

    def regions(z: Tensor, batch: Batch, t: float) -> Tensor:
        loss = LocalRegionLoss(temperature=t, num_regions=9, num_negatives=8)
        value: Tensor = loss(*plain_pairs.region_rows(z))
        return value

    def swapped(z: Tensor, batch: Batch, t: float) -> Tensor:
        # the function: SwAVLoss warns where a batch is smaller than the number of prototypes
        return swapped_assignment(normalize(z.float() if z.dtype is torch.bfloat16 else z, dim=2), temperature=t)

    none = ("", 0)
    return [
        Case("SwAVLoss", "SwAV", swapped, plain_pairs.swav, MAPS, floor=none),
        Case("PixContrastLoss, 4 x 4 maps", "PixContrast", pixels, plain_pairs.pix_contrast, MAPS, floor=none),
        Case("LocalRegionLoss, 9 regions", "local regions", regions, plain_pairs.local_region, MAPS, floor=none),
    ]


def _without() -> list[Case]:
    def pixels(z: Tensor, batch: Batch, t: float) -> Tensor:
        prediction, target = plain_pairs.pixel_maps(z)
        mask = torch.eye(prediction.shape[2] * prediction.shape[3], dtype=torch.bool).expand(len(prediction), -1, -1)
        value: Tensor = PixProLoss()(prediction, target, mask)
        return value

    rest = {"floor": ("", 0), "tempered": False}
    return [
        Case(
            "BarlowTwinsLoss",
            "Barlow Twins",
            two(lambda t: BarlowTwinsLoss()),
            plain_pairs.barlow_twins,
            WITHOUT,
            **rest,
        ),
        Case("VICRegLoss", "VICReg", two(lambda t: VICRegLoss()), plain_pairs.vicreg, WITHOUT, **rest),
        Case(
            "SpectralContrastiveLoss",
            "spectral contrast",
            two(lambda t: SpectralContrastiveLoss()),
            plain_pairs.spectral,
            WITHOUT,
            **rest,
        ),
        Case("PixProLoss, 4 x 4 maps", "PixPro", pixels, plain_pairs.pix_pro, WITHOUT, **rest),
    ]

"""The dense losses and the spectral loss on two and three processes: those of one process on the joined batch.

Pixels and regions of different images do not meet, so their losses take each process's own images, without a gather.
"""

import pytest
import torch

from core.distributed import GatheredLoss
from core.heads import PixelPropagation, RegionProjection
from core.losses import DomainContrastLoss, LocalRegionLoss, PixContrastLoss, PixProLoss, SpectralContrastiveLoss
from core.momentum import MomentumEncoder
from tests.core.processes import Outcome, assert_equal_to_one_process


def maps_and_mask(encoder, batch):
    """Both views as maps of 2 x 2 pixels, and which are positive: none for some images, all for others."""
    pixels = torch.stack([batch.first, batch.second])[:, :, None] + torch.linspace(-1, 1, 4)[:, None]
    first, second = encoder(pixels).mT.unflatten(3, (2, 2))  # (n, 6, 2, 2) each
    place = torch.arange(4)
    mask = (place[:, None] + place + batch.index[:, None, None]) % 5 < (batch.index % 6)[:, None, None]
    return first, second, mask


def pix_pro(encoder, batch):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        head = PixelPropagation(6).double()
    first, second, mask = maps_and_mask(encoder, batch)
    loss = PixProLoss()
    value = loss(head(first), second, mask) + loss(head(second), first, mask.mT)
    return Outcome(value, list(head.parameters()))


def pix_contrast(encoder, batch):
    first, second, mask = maps_and_mask(encoder, batch)
    loss = PixContrastLoss()
    return Outcome((loss(first, second, mask) + loss(second, first, mask.mT)) / 2)


def momentum(encoder, batch):
    """The whole step: a momentum copy on the target side, which stays alike in all processes."""
    online = getattr(encoder, "module", encoder)
    copy = MomentumEncoder(online, momentum=0.9)
    first, _, mask = maps_and_mask(encoder, batch)
    _, target, _ = maps_and_mask(copy, batch)
    value = PixProLoss()(first, target, mask)
    copy.update(online)
    return Outcome(value, states=dict(copy.state_dict()))


def local_region(encoder, batch, strategy):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        head = RegionProjection(6, 5).double()
    pixels = torch.stack([batch.first, batch.second])[:, :, None] + torch.linspace(-1, 1, 64).reshape(64, 1).sin()
    first, second = encoder(pixels).mT.unflatten(3, (8, 8))
    partners = head(second).roll(3, dims=2)[None] if strategy == "domain" else None
    value = LocalRegionLoss(strategy=strategy)(head(first), head(second), partners=partners)
    return Outcome(value, list(head.parameters()))


def domain_contrast(encoder, batch, strategy):
    views = encoder(torch.stack([batch.first, batch.second, batch.first - batch.second]))
    loss = GatheredLoss(DomainContrastLoss(strategy=strategy))
    return Outcome(loss(views, batch.labels % 3, batch.index % 4, batch.index % 2))


def spectral(encoder, batch, own):
    query, key = encoder(torch.stack([batch.first, batch.second]))
    return Outcome(GatheredLoss(SpectralContrastiveLoss(include_own=own))(query, key))


STEPS = [
    (pix_pro,),
    (pix_contrast,),
    (momentum,),
    (local_region, "random"),
    (local_region, "domain"),
    (domain_contrast, "random"),
    (domain_contrast, "domain_negatives"),
    (domain_contrast, "domain"),
    (spectral, True),
    (spectral, False),
]


@pytest.mark.parametrize("world", [2, 3])
@pytest.mark.parametrize("step", STEPS, ids=lambda s: "-".join(str(getattr(x, "__name__", x)) for x in s))
def test_equal_to_one_process(step, world, gloo_pool):
    assert_equal_to_one_process(gloo_pool(world), *step)

"""Two and three real processes give the value and the gradient of one on the joined batch, draws included."""

import pytest
import torch

from core.distributed import GatheredLoss
from core.losses import CoreTuningLoss, FocalContrastiveLoss, RankNContrastLoss, SupReMixLoss
from core.samplers import OrdinalMixup
from tests.core.processes import Outcome, assert_equal_to_one_process


def step(encoder, batch, name):
    """Some rows have no positive; draws come from equal generators in all processes."""
    draw = torch.Generator().manual_seed(7)
    soft = torch.nn.functional.one_hot(batch.labels % 4, 4).double()
    soft[batch.labels > 3] = torch.tensor([0.5, 0.5, 0.0, 0.0], dtype=torch.float64)
    if name == "rank":
        return Outcome(GatheredLoss(RankNContrastLoss())(encoder(batch.first), batch.targets))
    if name == "rank views":
        views = torch.stack(encoder(torch.cat([batch.first, batch.second])).split(len(batch.first)))
        return Outcome(GatheredLoss(RankNContrastLoss(similarity="cosine"))(views, batch.targets))
    if name == "supremix":
        loss = SupReMixLoss(mixer=OrdinalMixup(2.0, max_pos=3, max_neg=4, generator=draw))
        return Outcome(GatheredLoss(loss)(encoder(batch.first), batch.targets))
    if name == "supremix views":
        views = torch.stack(encoder(torch.cat([batch.first, batch.second])).split(len(batch.first)))
        return Outcome(GatheredLoss(SupReMixLoss(mixer=OrdinalMixup(2.0, generator=draw)))(views, batch.targets))
    if name == "focal":
        return Outcome(GatheredLoss(FocalContrastiveLoss())(encoder(batch.first), batch.labels))
    if name == "focal soft":
        return Outcome(GatheredLoss(FocalContrastiveLoss(gamma=2.0))(encoder(batch.first), soft))
    z = encoder(batch.first)
    return Outcome(GatheredLoss(CoreTuningLoss(eta=0.5))(z[:, :4], z, soft))


@pytest.mark.parametrize("world", [2, 3])
@pytest.mark.parametrize(
    "name", ["rank", "rank views", "supremix", "supremix views", "focal", "focal soft", "core tuning"]
)
def test_processes_equal_one(name, world, gloo_pool):
    assert_equal_to_one_process(gloo_pool(world), step, name)

"""Two and three processes against one, for the losses of noise-contrastive estimation and of latent codes."""

import pytest
import torch
from torch import Tensor, nn

from core.distributed import GatheredLoss
from core.losses import (
    AMIMLoss,
    BinaryNCELoss,
    CMIMLoss,
    DebiasedInfoNCELoss,
    HardnessInfoNCELoss,
    LabelContrastLoss,
    LabelMatchingLoss,
    LatentContrastLoss,
    MIMLoss,
    PriorHalf,
    RankingNCELoss,
    SimCSELoss,
)
from tests.core.processes import WIDTH, Batch, Outcome, assert_equal_to_one_process

MEETING = {
    "sim_cse": lambda: SimCSELoss(temperature=0.2),
    "sim_cse_hard": lambda: SimCSELoss(temperature=0.2, hard_negative_weight=1.5),
    "debiased": lambda: DebiasedInfoNCELoss(temperature=0.4),
    "debiased_to_the_floor": lambda: DebiasedInfoNCELoss(temperature=0.4, tau_plus=0.5),
    "hardness": lambda: HardnessInfoNCELoss(temperature=0.4),
    "hardness_held": lambda: HardnessInfoNCELoss(temperature=0.4, detach_weights=True),
    "latent": lambda: LatentContrastLoss(temperature=0.3),
    "latent_sum": lambda: LatentContrastLoss(temperature=0.3, negatives="sum"),
    "amim_tokens": lambda: AMIMLoss(reconstruction="token_mean"),
    "cmim": lambda: CMIMLoss(temperature=0.3),
    "cmim_tokens": lambda: CMIMLoss(temperature=0.3, reconstruction="token_mean"),
}
"""Losses whose rows meet, over gathered batches."""


def densities(z: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    return -(z - 1).square().sum(1), -z.square().sum(1) / 2, -z.abs().sum(1)


def gathered(encoder: nn.Module, batch: Batch, name: str) -> Outcome:
    loss = GatheredLoss(MEETING[name]())
    first, second = encoder(torch.cat([batch.first, batch.second])).chunk(2)
    tokens = 1 + batch.index % 5
    if name.startswith("latent"):
        return Outcome(loss(first))
    if name.startswith("amim"):
        return Outcome(loss(*densities(first), tokens))
    if name.startswith("cmim"):
        return Outcome(loss(*densities(first), first, *([tokens] if name == "cmim_tokens" else [])))
    if name == "sim_cse":
        return Outcome(loss(first, second, ids=batch.labels))
    return Outcome(loss(first, second, *([first * second.flip(1)] if name == "sim_cse_hard" else [])))


def apart(encoder: nn.Module, batch: Batch, name: str) -> Outcome:
    """Losses whose rows do not meet: each process scores its own, and nothing is gathered."""
    first, second = encoder(torch.cat([batch.first, batch.second])).chunk(2)
    if name == "binary":
        return Outcome(BinaryNCELoss(noise_log_prob=-1.0)(first[:, 0], second))
    if name == "binary_kinds":
        return Outcome(BinaryNCELoss(mean_over="kinds")(first[:, 0], second))
    if name == "ranking":
        return Outcome(RankingNCELoss(temperature=0.5)(first[:, :2], second))
    if name == "mim":
        return Outcome(MIMLoss()(*densities(first), prior=PriorHalf(*densities(second))))
    if name == "amim":
        return Outcome(AMIMLoss()(*densities(first)))
    targets = torch.stack([batch.index % 7, 7 + batch.index % 2], 1)
    draw = torch.Generator().manual_seed(6)
    labels = torch.randn(9, WIDTH, generator=draw, dtype=torch.float64, requires_grad=True)
    if name == "label_matching":
        return Outcome(LabelMatchingLoss()(first @ labels.T, targets), [labels])
    targets[batch.labels == 1] = -1
    return Outcome(LabelContrastLoss(temperature=0.3, empty="zero")(first, labels, targets), [labels])


@pytest.mark.parametrize("world", [2, 3])
@pytest.mark.parametrize("name", MEETING)
def test_gathered_losses_equal_one_process(gloo_pool, world, name):
    assert_equal_to_one_process(gloo_pool(world), gathered, name)


APART = ["binary", "binary_kinds", "ranking", "mim", "amim", "label_matching", "label_contrast"]


@pytest.mark.parametrize("world", [2, 3])
@pytest.mark.parametrize("name", APART)
def test_losses_whose_rows_do_not_meet_need_no_gathering(gloo_pool, world, name):
    assert_equal_to_one_process(gloo_pool(world), apart, name)

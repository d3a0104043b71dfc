"""Several processes give what one gives on their joined batch, for every shape of loss and for the samplers."""

import pytest
import torch
from torch.nn.functional import pad

from domains.vision.data.images import ImageBatch
from domains.vision.methods.objective import Objective
from tests.core.processes import WIDTH, Outcome, assert_equal_to_one_process

CASES = [
    ("NTXentLoss", {}, "none"),
    ("DCLLoss", {}, "none"),
    ("InfoNCELoss", {}, "none"),
    ("BarlowTwinsLoss", {}, "none"),
    ("CLIPLoss", {}, "none"),
    ("CACRLoss", {}, "none"),
    ("GroCoLoss", {"num_negatives": 3}, "none"),
    ("MVDHELLoss", {}, "none"),
    ("SupConLoss", {}, "none"),
    ("TripletLoss", {"reduction": "mean"}, "none"),
    ("RankNContrastLoss", {}, "none"),
    ("SogCLRLoss", {}, "none"),
    ("BinaryNCELoss", {}, "none"),
    ("RankingNCELoss", {}, "none"),
    ("NTXentLoss", {}, "hard_negative_mixing"),
    ("InfoNCELoss", {}, "hard_negative_mixing"),
    ("NTXentLoss", {}, "hallucinator"),
    ("InfoNCELoss", {}, "memory_queue"),
]
SAMPLER_SETTINGS = {
    "none": {},
    "hard_negative_mixing": {"n_hard": 4, "n_pair": 3, "n_query": 2},
    "hallucinator": {},
    "memory_queue": {"size": 60},
}


def step(encoder, batch, loss, settings, sampler):
    """Two batches in a row, so that a queue has something to say in the second."""
    torch.manual_seed(0)
    objective = Objective(
        loss,
        settings,
        dim=WIDTH,
        num_images=100,
        num_classes=20,
        views=2,
        generator=torch.Generator().manual_seed(5),
        sampler=sampler,
        sampler_settings=SAMPLER_SETTINGS[sampler],
    ).double()
    images = torch.zeros(len(batch.first), 3, 1, 1, dtype=torch.uint8)
    given = ImageBatch(images, batch.index, batch.labels, batch.targets)
    if sampler == "memory_queue":
        with torch.no_grad():
            objective(torch.stack([encoder(batch.second), encoder(batch.first)]), given)
    value = objective(torch.stack([encoder(batch.first), encoder(batch.second)]), given)
    states = {name: pad(state.double(), (0, 0)) for name, state in objective.named_buffers() if state.dim()}
    return Outcome(value, [p for p in objective.parameters() if p.requires_grad], states)


@pytest.mark.parametrize(("loss", "settings", "sampler"), CASES)
def test_processes_equal_one(gloo_pool, loss, settings, sampler):
    assert_equal_to_one_process(gloo_pool(2), step, loss, settings, sampler)

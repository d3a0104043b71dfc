"""The tables of what samplers cost: in a MoCo step, on their own, and over large pools."""

from collections.abc import Callable

import torch

from benchmarks.losses.steps import BATCH, SIDE, Step, small_encoder
from core.losses import InfoNCELoss
from core.momentum import MomentumEncoder
from core.samplers import HardNegativeMixing, MemoryQueue

__all__ = ["moco_loss_steps", "moco_steps"]

WIDTH, QUEUE, TEMPERATURE = 128, 4096, 0.2
HARD, PAIRS, QUERIES = 128, 64, 32
"""MoCHi's (N, s, s')."""


def moco_steps(seed: int) -> list[Step]:
    """One training step of MoCo, and the same with MoCHi's synthetic negatives."""
    mixer = HardNegativeMixing(HARD, PAIRS, QUERIES, generator=torch.Generator().manual_seed(seed))
    return [
        Step("MoCo step", _moco_step(seed, None)),
        Step(f"MoCo + MoCHi ({HARD}, {PAIRS}, {QUERIES})", _moco_step(seed, mixer), "<= 1.15"),
    ]


def _moco_step(seed: int, mixer: HardNegativeMixing | None) -> Callable[[], None]:
    torch.manual_seed(seed)
    encoder = small_encoder(WIDTH)
    target = MomentumEncoder(encoder, momentum=0.999)
    optimizer = torch.optim.SGD(encoder.parameters(), lr=0.03, momentum=0.9)
    queue = MemoryQueue(QUEUE, WIDTH, generator=torch.Generator().manual_seed(seed))
    images = torch.randn(2, BATCH, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(seed))
    loss = InfoNCELoss(temperature=TEMPERATURE)

    def step() -> None:
        query = encoder(images[0])
        with torch.no_grad():
            key = target(images[1])
        negatives = queue.tensor()
        extra = None if mixer is None else mixer.similarities(query, negatives)
        value = loss(query, key, negatives=negatives, extra_similarities=extra)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        target.update(encoder)
        queue.update(key)

    return step


def moco_loss_steps(seed: int) -> list[Step]:
    """The loss of that step alone, without encoders: forward and backward."""
    draw = torch.Generator().manual_seed(seed)
    query = torch.randn(BATCH, WIDTH, generator=draw).requires_grad_()
    key, negatives = torch.randn(BATCH, WIDTH, generator=draw), torch.randn(QUEUE, WIDTH, generator=draw)
    mixer = HardNegativeMixing(HARD, PAIRS, QUERIES, generator=draw)
    loss = InfoNCELoss(temperature=TEMPERATURE)

    def plain() -> None:
        loss(query, key, negatives=negatives).backward()

    def mixed() -> None:
        extra = mixer.similarities(query, negatives)
        loss(query, key, negatives=negatives, extra_similarities=extra).backward()

    def with_vectors() -> None:
        vectors = mixer(query, negatives)  # (n, s + s', d)
        extra = (torch.nn.functional.normalize(query, dim=1)[:, None] * vectors).sum(dim=2)
        loss(query, key, negatives=negatives, extra_similarities=extra).backward()

    return [
        Step("InfoNCE with a queue", plain),
        Step("with MoCHi, similarities", mixed),
        Step("with MoCHi, vectors", with_vectors),
    ]

"""What the engine costs per epoch, against the bare loop that does the same."""

import time
from statistics import median

import pytest
import torch
from torch import nn

from core.training import FitSettings, Method, MethodSettings, fit, full_batch

EPOCHS = 200
MOST_MILLISECONDS = 15.0
"""Of CPU time per epoch; it takes about 2 on a laptop, so this catches a file written or a table drawn every epoch."""


class Trivial(Method[MethodSettings]):
    """A step that costs next to nothing."""

    name = "trivial"

    def __init__(self, settings):
        super().__init__(settings)
        self.layer = nn.Linear(4, 1)
        self.marks = []

    def training_step(self, batch, batch_idx):
        self.marks.append(time.process_time())
        loss = self.layer(batch).square().mean()
        self.log("loss", loss, batch_size=len(batch))
        return loss


def bare_loop(method, batch):
    optimizer = method.configure_optimizers()
    started = time.process_time()
    for _ in range(EPOCHS):
        optimizer.zero_grad()
        method.layer(batch).square().mean().backward()
        optimizer.step()
    return (time.process_time() - started) / EPOCHS


@pytest.mark.slow
def test_overhead_per_epoch_is_small_and_does_not_grow(tmp_path):
    batch = torch.ones(8, 4)
    method = Trivial(MethodSettings(epochs=EPOCHS))
    settings = FitSettings(threads=1, log_every=1, progress=False)
    assert fit(method, full_batch(batch), folder=tmp_path, settings=settings).epochs == EPOCHS
    epochs = [later - earlier for earlier, later in zip(method.marks, method.marks[1:], strict=False)]
    bare = bare_loop(Trivial(MethodSettings()), batch)
    print(
        1000 * (sum(epochs) / len(epochs) - bare), 1000 * bare, 1000 * median(epochs[:50]), 1000 * median(epochs[-50:])
    )
    assert 1000 * (sum(epochs) / len(epochs) - bare) < MOST_MILLISECONDS
    assert median(epochs[-50:]) < 3 * median(epochs[:50])

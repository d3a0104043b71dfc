"""One row of a table of costs, and the adversaries' table."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

from core.adversarial import FGM, FGSM, PGD, SMART, VAT, FreeLB, SiFT

__all__ = ["Step", "adversary_steps", "small_encoder"]

BATCH, SIDE, CLASSES = 128, 32, 10


@dataclass(frozen=True)
class Step:
    """One row of a table of costs.

    Attributes:
        name: label.
        run: one step.
        bar: what its ratio to the first step of the table has to hold, empty for none.
    """

    name: str
    run: Callable[[], object]
    bar: str = ""


def small_encoder(out: int) -> nn.Module:
    """Eight convolutions and a linear layer for images of 32 x 32: about the cost of a ResNet-10 of width 16.

    Its norm is GroupNorm, because BatchNorm would count every pass.
    """
    layers: list[nn.Module] = []
    for wide, narrow in pairwise((3, 16, 16, 32, 32, 64, 64, 128, 128)):
        stride = 2 if narrow > wide > 3 else 1
        layers += [nn.Conv2d(wide, narrow, 3, stride=stride, padding=1), nn.GroupNorm(4, narrow), nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(128, out))


def adversary_steps(seed: int) -> list[Step]:
    """A plain forward and backward pass with labels, and what each adversary's loss takes beside it.

    The clean output that the adversaries without labels compare with comes from the plain pass, so it is not counted.
    An adversary of K inner steps takes K passes towards the input and the last one. FreeLB trains on each of its steps
    and takes the gradient of the input beside that of the parameters.
    """
    draw = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)
    model = small_encoder(CLASSES)
    x = torch.randn(BATCH, 3, SIDE, SIDE, generator=draw)
    labels = torch.randint(CLASSES, (BATCH,), generator=draw)
    clean = model(x).detach()

    def plain() -> None:
        nn.functional.cross_entropy(model(x), labels).backward()

    def step(loss: Callable[..., Tensor], reference: Tensor) -> Callable[[], None]:
        return lambda: loss(model, x, reference).backward()

    free_lb = FreeLB(steps=3, step_size=0.1, epsilon=0.3)
    return [
        Step("forward and backward", plain),
        Step("FGM", step(FGM(epsilon=0.3).loss, labels), "<= 2"),
        Step("FGSM", step(FGSM(epsilon=0.03).loss, labels), "<= 2"),
        Step("PGD, 3 steps", step(PGD(epsilon=0.3, steps=3).loss, labels), "<= 4"),
        Step("FreeLB, 3 steps", lambda: free_lb.loss(model, x, labels)),
        Step("VAT, 1 power step", step(VAT(epsilon=0.5, generator=draw).loss, clean), "<= 2"),
        Step("VAT, 3 power steps", step(VAT(epsilon=0.5, steps=3, generator=draw).loss, clean), "<= 4"),
        Step("SMART, 1 step", step(SMART(generator=draw).loss, clean), "<= 2"),
        Step("SiFT", step(SiFT(generator=draw).loss, clean), "<= 2"),
    ]

"""SimCLR: two views of each image, told from all others."""

from dataclasses import dataclass
from typing import ClassVar

from domains.vision.methods.one_network import OneNetwork, OneNetworkSettings

__all__ = ["SimCLR", "SimCLRSettings"]


@dataclass(frozen=True)
class SimCLRSettings(OneNetworkSettings):
    """Settings of SimCLR.

    The paper trains with LARS, batch 4096 and 100 to 1000 epochs at a temperature of 0.1 to 0.5; the preset
    ``cifar10_13k`` holds solo-learn's recipe for CIFAR-10. What stands here is for small sets on a CPU; the temperature
    is NT-Xent's 0.5.
    """


class SimCLR(OneNetwork[SimCLRSettings]):
    """Chen et al. 2020, arXiv 2002.05709: one encoder, a two-layer head, NT-Xent over 2n views (eq. 1).

    With ``--loss`` it is the frame of every other loss on projections of views: DCL, CACR, GroCo, MV-InfoNCE, MV-DHEL,
    SogCLR, iSogCLR and so on. The head has BatchNorm in its hidden layer, as in SimCLR's code.

    Args:
        settings: see `SimCLRSettings`.
        **spec: see `domains.vision.methods.base.VisionMethod`.
    """

    name: ClassVar[str] = "simclr"

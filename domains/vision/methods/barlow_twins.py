"""Barlow Twins: the two views' features must correlate with themselves and with no other feature."""

from dataclasses import dataclass
from typing import ClassVar

from domains.vision.methods.one_network import OneNetwork, OneNetworkSettings

__all__ = ["BarlowTwins", "BarlowTwinsSettings"]


@dataclass(frozen=True)
class BarlowTwinsSettings(OneNetworkSettings):
    """Settings of Barlow Twins, for small sets and a CPU.

    The paper's head has three layers of 8192; here they have 512, and the loss's weight of redundancy is the paper's
    5e-3. solo-learn takes 2048 on CIFAR and a tenth of the loss (``loss_settings: {scale_loss: 0.1}``), which matters
    to SGD and to what LARS leaves unscaled, not to Adam.
    """

    hidden: int = 512
    projection: int = 512
    layers: int = 3
    loss: str = "BarlowTwinsLoss"


class BarlowTwins(OneNetwork[BarlowTwinsSettings]):
    """Zbontar et al. 2021, arXiv 2103.03230, eqs. 1 and 2: one encoder, a wide head of three layers.

    No negatives, no asymmetry: a batch's cross-correlation matrix of the views' features shall be the identity. With
    more than two views the mean over all pairs of them. Large colour images get the two recipes of BYOL by turns, as in
    the paper, small ones the one of all methods.

    Args:
        settings: see `BarlowTwinsSettings`.
        **spec: see `domains.vision.methods.base.VisionMethod`.
    """

    name: ClassVar[str] = "barlow_twins"
    large_recipes: ClassVar[tuple[str, ...]] = ("byol_1", "byol_2")

"""VICReg: views alike, every feature alive, no two features the same."""

from dataclasses import dataclass
from typing import ClassVar

from domains.vision.methods.one_network import OneNetwork, OneNetworkSettings

__all__ = ["VICReg", "VICRegSettings"]


@dataclass(frozen=True)
class VICRegSettings(OneNetworkSettings):
    """Settings of VICReg, for small sets and a CPU.

    The paper's head has three layers of 8192, solo-learn's for CIFAR 2048; here they have 512. The weights 25, 25 and 1
    are the paper's; ``loss_settings: {lambda_param: 25, mu_param: 25, nu_param: 1}`` names them.
    """

    hidden: int = 512
    projection: int = 512
    layers: int = 3
    loss: str = "VICRegLoss"


class VICReg(OneNetwork[VICRegSettings]):
    """Bardes et al. 2022, arXiv 2105.04906, eqs. 1 to 6: one encoder, a wide head of three layers.

    No negatives, no asymmetry: invariance of the views, a standard deviation of at least 1 for each feature, no
    covariance of different ones. With more than two views the mean over all pairs of them.

    Args:
        settings: see `VICRegSettings`.
        **spec: see `domains.vision.methods.base.VisionMethod`.
    """

    name: ClassVar[str] = "vicreg"
    large_recipes: ClassVar[tuple[str, ...]] = ("vicreg",)

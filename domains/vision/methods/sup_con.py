"""Supervised contrast: all images of a class are positives of each other."""

from dataclasses import dataclass
from typing import Any, ClassVar

from core.errors import UserError
from core.parts import find_part
from domains.vision.methods.one_network import OneNetwork, OneNetworkSettings

__all__ = ["SupCon", "SupConSettings"]


@dataclass(frozen=True)
class SupConSettings(OneNetworkSettings):
    """Settings of supervised contrast.

    The temperature is the loss's 0.1; the reference code takes 0.07 (``--loss-settings "{temperature: 0.07}"``). Length
    and optimiser are the suite's own, see `VisionSettings`.
    """

    loss: str = "SupConLoss"


class SupCon(OneNetwork[SupConSettings]):
    """Khosla et al. 2020, arXiv 2004.11362: two views of each image, positives by class (eq. 2).

    The frame is SimCLR's, the loss `core.losses.SupConLoss`, or by ``--loss`` another one that takes classes. Batches
    are shuffled; with many classes ``--sampler pk`` makes sure that every image meets others of its class. Images
    without a class are left out.

    Args:
        settings: see `SupConSettings`.
        **spec: see `domains.vision.methods.base.VisionMethod`.

    Raises:
        UserError: a loss that takes no classes.
    """

    name: ClassVar[str] = "sup_con"
    needs = "labels"

    def __init__(self, settings: SupConSettings, **spec: Any) -> None:
        part = find_part(settings.loss, "loss")
        if part.takes != "labels":
            raise UserError(f"sup_con learns from classes, and {part.name} takes none; train simclr with that loss")
        super().__init__(settings, **spec)

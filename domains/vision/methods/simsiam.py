"""SimSiam: predict the other view's projection, which is held still; no negatives, no copy."""

from dataclasses import dataclass, field
from itertools import permutations
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from core.checks import check_at_least
from core.errors import UserError
from core.heads import PredictionHead
from core.losses import HallucinatedPairLoss, NegativeCosineLoss
from core.samplers import Hallucinator
from domains.vision.data.images import ImageBatch
from domains.vision.methods.collapse import CollapseAlarm
from domains.vision.methods.hallucination import hallucination
from domains.vision.methods.objective import make_sampler
from domains.vision.methods.one_network import BATCH_SAMPLERS
from domains.vision.methods.projected import Projected, ProjectedSettings

__all__ = ["SimSiam", "SimSiamSettings"]


@dataclass(frozen=True)
class SimSiamSettings(ProjectedSettings):
    """Settings of SimSiam, for small sets and short runs.

    The paper takes a head of three layers of 2048 and a predictor of 512, a quarter. Here head and output have 512, the
    predictor 128.

    Attributes:
        predictor: hidden width of the predictor; a bottleneck.
        steady_predictor: whether the predictor keeps its learning rate while the others' decays.
        sampler: "none" or "hallucinator"; or what chooses the batches, as in SimCLR.
        sampler_settings: of the sampler.
    """

    hidden: int = 512
    projection: int = 512
    layers: int = 3
    predictor: int = 128
    steady_predictor: bool = True
    sampler: str = "none"
    sampler_settings: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_at_least("predictor", self.predictor, 1)


class SimSiam(Projected[SimSiamSettings]):
    """Simple Siamese representations.

    Chen and He 2021, arXiv 2011.10566, eqs. 1 and 2, p a prediction and z a projection that gets no gradient::

        L = mean over views a != b of -cos(p_a, z_b)        in [-1, 1]

    The head ends in a BatchNorm without scale and shift; the stage "projection" of `embed_stage` is before it. Every
    view passes the network on its own.

    With ``sampler: hallucinator`` (Wu et al. 2023, arXiv 2307.12168) each prediction is moved away from the other
    view's, and both it and what became of it must meet the target; the targets cannot be moved, since nothing behind
    the stopped gradient learns.

    Nothing but the stopped gradient keeps the features apart. The log has their spread, 1 if healthy and 0 if
    collapsed, and a warning comes where it nears 0.

    Args:
        settings: see `SimSiamSettings`.
        **spec: see `domains.vision.methods.base.VisionMethod`.

    Raises:
        UserError: another sampler.
    """

    name: ClassVar[str] = "simsiam"

    def __init__(self, settings: SimSiamSettings, **spec: Any) -> None:
        super().__init__(settings, **spec)
        s = settings
        self.last_norm = nn.BatchNorm1d(self.width, affine=False)
        self.predictor = PredictionHead(self.width, s.predictor)
        self.loss: nn.Module = NegativeCosineLoss()
        if s.sampler not in ("none", *BATCH_SAMPLERS):
            part, built = make_sampler(s.sampler, s.sampler_settings, dim=self.width, generator=self.generator)
            if not isinstance(built, Hallucinator):
                raise UserError(f"{part.name} is about negatives, and simsiam has none; it takes hallucinator")
            self.loss = HallucinatedPairLoss(self.loss, built)
        elif s.sampler == "none" and s.sampler_settings:
            raise UserError("sampler_settings are given, but no sampler")
        self._alarm = CollapseAlarm()

    def trained_parameters(self) -> list[dict[str, Any]]:
        """The predictor in a group of its own, whose learning rate may stay."""
        own = list(self.predictor.parameters())
        others = [p for name, p in self.named_parameters() if not name.startswith("predictor.")]
        return [{"params": others}, {"params": own, "steady": self.settings.steady_predictor}]

    def training_step(self, batch: ImageBatch, batch_idx: int) -> Tensor:
        """The loss of fresh views; scalar."""
        z = [self.last_norm(self.head(self.encoder(view))) for view in self.make_views(batch.images)]
        p = [self.predictor(rows) for rows in z]
        moves = isinstance(self.loss, HallucinatedPairLoss)
        terms = []
        for a, b in permutations(range(len(z)), 2):
            options = {"partner": p[b]} if moves else {}
            terms.append(self.loss(p[a], z[b], **options))
        loss = torch.stack(terms).mean()
        if self.logs_now:
            self._watch(p, z[0], batch)
        return self.log_loss(loss, batch)

    def _watch(self, p: list[Tensor], z: Tensor, batch: ImageBatch) -> None:
        facts: dict[str, Tensor | float] = {"spread": self._alarm(z.detach())}
        if isinstance(self.loss, HallucinatedPairLoss):
            assert isinstance(self.loss.hallucinator, Hallucinator)
            facts |= hallucination(self.loss.hallucinator, p[0].detach(), p[1].detach())
        for name, value in facts.items():
            self.log(name, value, batch_size=len(batch))

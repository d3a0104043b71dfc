"""MoCo v2: tell a view's momentum key from a queue of earlier keys."""

from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor

from core.checks import check_at_least, check_positive, check_rate
from core.errors import UserError
from core.evaluation import alignment, uniformity
from domains.vision.data.images import ImageBatch
from domains.vision.methods.one_network import BATCH_SAMPLERS
from domains.vision.methods.queue_objective import QueueObjective
from domains.vision.methods.slow_copy import SlowCopy, SlowCopySettings

__all__ = ["MoCo", "MoCoSettings"]


@dataclass(frozen=True)
class MoCoSettings(SlowCopySettings):
    """Settings of MoCo v2, for small sets and short runs.

    The paper takes 65,536 keys, m (here ``ema``) = 0.999 and a head of 2048 to 128 for 200 epochs of ImageNet. With
    that m the key network is a thousand steps behind, as long as many a short run; the default is 0.99.

    Attributes:
        symmetric: whether each view is query and key in turn; the paper's views are not. With a loss of views always.
        queue: keys held; 0 takes 4096, or half the number of images where that is less: in a longer queue many of an
            image's negatives would be its own earlier keys.
        temperature: of a loss of pairs, > 0, unless ``loss_settings`` name one. MoCo v1 0.07.
        loss: InfoNCELoss, DCLLoss, DCLWLoss, MomentumCACRLoss or CropCACRLoss (three views or more, no queue).
        loss_settings: of the loss.
        sampler: "none"; "hard_negative_mixing" (MoCHi) or "hallucinator"; or what chooses the batches, as in SimCLR.
        sampler_settings: of the sampler, as ``{n_hard: 128, n_pair: 64, n_query: 32}``.
        mixing_warmup: share of the epochs before mixed negatives begin, in [0, 1).
        oracle: whether labels keep an image's own class out of what is mixed: the upper bound that MoCHi's paper
            reports, no method to use.
    """

    symmetric: bool = False
    queue: int = 0
    temperature: float = 0.2
    loss: str = "InfoNCELoss"
    loss_settings: dict[str, Any] = field(default_factory=dict)
    sampler: str = "none"
    sampler_settings: dict[str, Any] = field(default_factory=dict)
    mixing_warmup: float = 0.1
    oracle: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        check_at_least("queue", self.queue, 0)
        check_positive("temperature", self.temperature)
        check_rate("mixing_warmup", self.mixing_warmup)


class MoCo(SlowCopy[MoCoSettings]):
    """Momentum contrast.

    He et al. 2020, arXiv 1911.05722, eqs. 1 and 2, with the two-layer head, the blur and the cosine of Chen et al. 2020
    (MoCo v2), arXiv 2003.04297. The query network learns; a slow copy of encoder and head makes the keys, without
    gradient, of which the queue keeps the last ones. Each key enters once, after the loss.

    The hidden layer has BatchNorm, as in every head of the domain; the released one has none. The released code
    shuffles the keys' batch over the devices, because BatchNorm statistics of one small batch give away which
    query belongs to which key. On one device a shuffle changes no statistics, and there is none here; in several
    processes the queue gets the keys of all, and the hint remains.

    With ``sampler: hard_negative_mixing`` Kalantidis et al. 2020 (MoCHi), arXiv 2010.01028, which mixes real keys only,
    never the queue's random start; with ``sampler: hallucinator`` Wu et al. 2023, arXiv 2307.12168. The log has the
    diagnostics of both: proxy accuracy, uniformity, alignment, with labels the share of false negatives, and cosines of
    the hallucinated pairs.

    Args:
        settings: see `MoCoSettings`.
        **spec: see `domains.vision.methods.base.VisionMethod`.
    """

    name: ClassVar[str] = "moco"
    large_recipes: ClassVar[tuple[str, ...]] = ("moco_v2",)

    def __init__(self, settings: MoCoSettings, **spec: Any) -> None:
        super().__init__(settings, **spec)
        s = settings
        if s.oracle and self.num_classes < 2:
            raise UserError(f"oracle needs images of two classes or more, there are {self.num_classes}")
        on_embeddings = s.sampler if s.sampler not in BATCH_SAMPLERS else "none"
        self.objective = QueueObjective(
            s.loss,
            s.loss_settings,
            temperature=s.temperature,
            dim=self.width,
            size=s.queue or min(4096, max(2, self.num_images // 2)),
            views=s.views,
            generator=self.generator,
            sampler=on_embeddings,
            sampler_settings=s.sampler_settings if on_embeddings == s.sampler else {},
            oracle=s.oracle,
            warmup=s.mixing_warmup,
        )
        if s.queue and self.objective.queue is None:
            raise UserError(f"{self.objective.part.name} compares with the keys of the batch; leave queue at 0")

    def on_train_epoch_start(self) -> None:
        """Tell the objective how far training is."""
        self.objective.set_progress(self.current_epoch / max(1, self.settings.epochs))

    def training_step(self, batch: ImageBatch, batch_idx: int) -> Tensor:
        """The loss of fresh views; scalar."""
        views = self.make_views(batch.images)
        both = self.settings.symmetric or self.objective.part.takes == "views"
        seen, kept = (views, views) if both else (views[:1], views[1:])
        query = torch.stack([self.head(self.encoder(view)) for view in seen])
        key = torch.stack([self.target(view) for view in kept])
        loss = self.objective(query, key, batch.labels)
        if self.logs_now:
            self._watch(query, key, batch)
        self.objective.enqueue(key, batch.labels)
        return self.log_loss(loss, batch)

    def _watch(self, query: Tensor, key: Tensor, batch: ImageBatch) -> None:
        facts = self.objective.watch(query, key, batch.labels)
        facts |= {"uniformity": uniformity(query[0].detach()), "alignment": alignment(query[0].detach(), key[-1])}
        for name, value in facts.items():
            self.log(name, value, batch_size=len(batch))

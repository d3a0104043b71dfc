"""Hydra, later SimLAP: any two classes attract each other in the dimensions that a gate opens for the two."""

from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from core.checks import check_at_least, check_not_negative
from core.distributed import GatheredLoss
from core.heads import FeatureGate, ProjectionHead
from core.heads.feature_gate import gate_entropy
from core.losses import ClassPairContrastiveLoss
from core.samplers import ClassPairSampler
from domains.vision.data.images import ImageBatch, ImageSet
from domains.vision.methods.answers import labels_of
from domains.vision.methods.base import VisionMethod, VisionSettings

__all__ = ["Hydra", "HydraSettings"]


@dataclass(frozen=True)
class HydraSettings(VisionSettings):
    """Settings of Hydra. Widths, temperature and mode are the released code's.

    It trains CIFAR-10 for 50 epochs with Adam (lr 1e-3, weight decay 5e-4) and 3 repeats; 2 repeats here cost what the
    two views of other methods cost.

    Attributes:
        repeats: random views of each image that are in a batch, each a row of its own, >= 1.
        hidden: width of the projector's hidden layer.
        projection: width of the projections and of the gates.
        temperature: > 0.
        mode: which classes are paired: "arbitrary" any two of the batch, "distinct" always two, "identical" each with
            itself, which is supervised contrast.
        gate: whether a gate opens dimensions; without it arbitrary pairs contradict each other (the paper's ablation).
        label_dim: width of the gate's label embeddings.
        gate_hidden: width of the gate's hidden layer.
        fuse: "mean" of the two label embeddings, or "product" of the gates of both.
        variant: similarity: "cosine" of gated rows (the older code), "quadratic" (the newer one).
        include_self: a row is its own positive where its class is paired with itself, as in the code.
        gate_penalty: weight of the gate's entropy, >= 0, which pushes it to 0 and 1; 0 in the code.
        sup_loss: the probe's cross-entropy trains the backbone too.
        sampler: of batches: "none" shuffles, "pk" draws classes and images of each, "class_balanced" makes rare classes
            as frequent as others.
        sampler_settings: of the sampler, as ``{classes_per_batch: 8, samples_per_class: 16}``.
    """

    repeats: int = 2
    hidden: int = 2048
    projection: int = 256
    temperature: float = 0.1
    mode: Literal["arbitrary", "distinct", "identical"] = "arbitrary"
    gate: bool = True
    label_dim: int = 512
    gate_hidden: int = 1024
    fuse: Literal["mean", "product"] = "mean"
    variant: Literal["cosine", "quadratic"] = "cosine"
    include_self: bool = False
    gate_penalty: float = 0.0
    sup_loss: bool = False
    sampler: Literal["none", "pk", "class_balanced"] = "none"
    sampler_settings: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_not_negative("gate_penalty", self.gate_penalty)
        for name in ("repeats", "hidden", "projection", "label_dim", "gate_hidden"):
            check_at_least(name, getattr(self, name), 1)
        if self.gate_penalty and not self.gate:
            raise ValueError("gate_penalty is given, but there is no gate (gate=False)")
        if self.sampler == "none" and self.sampler_settings:
            raise ValueError("sampler_settings are given, but no sampler")


class HydraHead(ProjectionHead):
    """Linear, BatchNorm, ReLU, Linear without bias, LayerNorm: the projector of the released code.

    Args:
        in_dim: width of the backbone's rows.
        hidden_dim: width in between.
        out_dim: width of the projections.
    """

    def __init__(self, in_dim: int, hidden_dim: int, out_dim: int) -> None:
        super().__init__(in_dim, hidden_dim, out_dim, norm="batch")
        self.last = nn.Sequential(nn.Linear(hidden_dim, out_dim, bias=False), nn.LayerNorm(out_dim))


class Hydra(VisionMethod[HydraSettings]):
    """Wu et al. 2024, arXiv 2410.18200, called SimLAP in its later versions: learning from arbitrary pairs.

    Each row of class y gets a partner class y2; rows of class y2 are its positives, rows of neither class its
    negatives, and both are compared in the dimensions that the gate of (y, y2) opens::

        L = core.losses.class_pair_contrastive(z, y, y2, gate(y, y2))  +  cross-entropy of a probe

    The probe is a linear classifier on the backbone's rows from which no gradient goes back (unless ``sup_loss``).
    Supervised. The gate and the projector are thrown away: ``embed`` gives the backbone's rows. Defaults follow the
    first author's code; it is run here with one joined batch over all processes, labels included, where the older code
    compares local labels with gathered keys. A batch without any positive pair, possible with "distinct" and with one
    repeat, counts as 0.

    Args:
        settings: see `HydraSettings`.
        **spec: see `domains.vision.methods.base.VisionMethod`.
    """

    name: ClassVar[str] = "hydra"
    needs = "labels"

    def __init__(self, settings: HydraSettings, **spec: Any) -> None:
        super().__init__(settings, **spec)
        s = settings
        self.head = HydraHead(self.out_dim, s.hidden, s.projection)
        self.gate = None
        if s.gate:
            self.gate = FeatureGate(self.num_classes, s.projection, s.label_dim, s.gate_hidden, s.fuse)
        self.partners = ClassPairSampler(s.mode, self.num_classes, generator=self.generator)
        self.probe = nn.Linear(self.out_dim, self.num_classes)
        self.contrast = GatheredLoss(
            ClassPairContrastiveLoss(
                temperature=s.temperature,
                variant=s.variant,
                include_self=s.include_self,
                gate_penalty=s.gate_penalty,
                empty="zero",
            )
        )

    def training_step(self, batch: ImageBatch, batch_idx: int) -> Tensor:
        """Contrast of fresh views in their gates, and the probe's cross-entropy; scalar."""
        s = self.settings
        own = labels_of(batch, self.name).repeat(s.repeats)
        h = self.encoder(torch.cat(self.random_views(batch.images, s.repeats)))
        z = self.head(h)
        partner = self.partners(own)
        gate = torch.ones_like(z) if self.gate is None else self.gate(own, partner)
        contrast = self.contrast(z, own, partner, gate)
        probe = cross_entropy(self.probe(h if s.sup_loss else h.detach()).float(), own)
        parts = {"contrast": contrast, "probe": probe}
        if self.gate is not None:
            seen = gate.detach()
            parts |= {"gate activation": seen.mean(), "gate entropy": gate_entropy(seen).mean()}
        return self.log_loss(contrast + probe, batch, **parts)

    @torch.no_grad()
    def own_scores(self, test: ImageSet) -> dict[str, float]:
        """Accuracy of the probe that was trained on the way, as "online probe accuracy"."""
        if test.labels is None or test.num_classes != self.num_classes or not bool((test.labels >= 0).any()):
            return {}
        known = test.select(test.labels >= 0)
        assert known.labels is not None
        right = self.probe(self.embed(known.images)).argmax(1).cpu() == known.labels
        return {"online probe accuracy": float(right.double().mean())}
